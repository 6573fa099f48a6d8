"""What shaped a checkpoint: the judges that rewarded it and the families of pairs that trained or tested them.

Knows addresses and hashes. Refuses to know what stands behind them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from her.errors import InputError, StorageError
from her.rows.files import sha_of
from her.rows.record import Record

FILE = "judges.json"
"""What the record is called beside a checkpoint."""


class JudgeRecord(Record):
    """One judge as it was asked. Hashes are sha256, of prompts and principles their first 12 digits."""

    address: str = Field(min_length=1, description="The model's address.")
    weights: str = Field(default="", description="sha256 of its weights, where its address is one file.")
    dialect: str = Field(default="ours", description="ours, her-rm, or scored.")
    prompts: tuple[str, ...] = Field(default=(), description="Prompt texts, name@hash.")
    principles: str = Field(default="", description="Hash of the principles that it was shown; empty: none.")


class Provenance(Record):
    """All judges whose verdicts became rewards, and the hash of each family of known pairs they were trained on."""

    judges: tuple[JudgeRecord, ...] = ()
    families: dict[str, str] = Field(default_factory=dict, description="sha256 by family.")

    def plus(self, other: Provenance) -> Provenance:
        """Both together, each judge once. Raises InputError where they hold two versions of one family."""
        two = {name for name in self.families.keys() & other.families if self.families[name] != other.families[name]}
        if two:
            raise InputError(f"two versions of the family {min(two)!r}: a checkpoint that saw both needs two names")
        judges = dict.fromkeys((*self.judges, *other.judges))
        return Provenance(judges=tuple(judges), families={**self.families, **other.families})

    def shaped_by(self, address: str, weights: str = "") -> bool:
        """Whether a judge of this name, or with weights of this sha256, had a part in it; its figures by that judge
        are then not to be trusted."""
        return any(_name(one.address) == _name(address) or (weights and one.weights == weights) for one in self.judges)

    @property
    def sha(self) -> str:
        """The sha256 of the whole record, whatever the order of its families."""
        ordered = self.model_copy(update={"families": dict(sorted(self.families.items()))})
        return digest(ordered.model_dump_json())

    def write(self, folder: Path) -> Path:
        """The file beside a checkpoint. Raises StorageError."""
        path = folder / FILE
        try:
            path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{path} cannot be written ({error.strerror}); name another folder") from error
        return path

    @classmethod
    def read(cls, folder: Path) -> Provenance:
        """What stands beside a checkpoint; nothing for one that no judge shaped.

        Raises InputError for a damaged record, StorageError for one that cannot be read and for no such folder.
        """
        path = folder / FILE
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if not folder.is_dir():
                raise StorageError(f"{folder} is not there; name the folder of a checkpoint") from None
            return cls()
        except ValidationError as error:
            fault = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, fault["loc"])) or "the file"
            raise InputError(f"{path}: {where}: {fault['msg']}; restore it, or train again") from None
        except (OSError, UnicodeDecodeError) as error:
            raise StorageError(f"{path} cannot be read ({error}); restore it, or train again") from error


def digest(*parts: str | bytes) -> str:
    """The sha256 of these parts, each with its length, in hex."""
    found = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        found.update(f"{len(data)}:".encode() + data)
    return found.hexdigest()


def judge_record(address: str, *, dialect: str, prompts: Iterable[str]) -> JudgeRecord:
    """The record of a judge that was asked with these texts, name@hash as in its answers' rows, its principles among
    them. Raises StorageError for weights that cannot be read."""
    texts = sorted(set(prompts))
    listed = [text.partition("@")[2] for text in texts if text.startswith("principles@")]
    path = Path(address).expanduser()
    return JudgeRecord(
        address=address,
        weights=sha_of(path) if path.is_file() else "",
        dialect=dialect,
        prompts=tuple(text for text in texts if not text.startswith("principles@")),
        principles=", ".join(listed),
    )


def _name(address: str) -> str:
    """What a judge is called wherever it is served: no host, and no scheme of a hub."""
    return address.rpartition("#")[2].removeprefix("hf:")


def family_hashes(pairs: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The hash of each family by the pairs it made, given as JSON; their order does not count."""
    return {family: digest(*sorted(rows)) for family, rows in sorted(pairs.items())}
