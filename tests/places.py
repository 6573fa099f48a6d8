"""Small scenes of a few books as rows of a reward pool: what pairs with a known answer are made of in tests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from random import Random

from her.judge.breakers.place import Place
from her.judge.counterfactual import Pair, make
from her.markup import Style, parse, render
from her.rows.record import TurnRow
from her.rows.samples import Context, PoolRow
from her.scene import Character, Scene, slug
from her.turn import ENVIRONMENT, Kind, Segment, Turn

PORT = """Captain Rusk: Good evening to you, matey, and you may lay to that. Forty barrels, matey, and a dry cellar.
  (hangs a wet hat on the nail) [She knows about the brandy. If she asks, I am done for.]
Anne Hartley: [I must not look at the cellar door.] You are late, Captain. Did anybody see you come up from
  the bridge?
Mr. Doyle: (warms his hands at the fire) Nobody walks in such rain. The constable is asleep in his chair,
  ma'am. [I told him the road was safe. God forgive me for it.]
Captain Rusk: [Doyle looks at the floor. A bad sign.] Then we are safe till morning, matey, and you may lay
  to that. Where is the boy?
Anne Hartley: Upstairs, with a fever. I have sat with him since noon. (sets three cups on the table) I will
  not have shouting in my kitchen, Captain.
Mr. Doyle: Quite right, ma'am. Is there any news of the doctor, ma'am?
Environment: A dog barks in the yard, twice, and then is quiet.
Captain Rusk: (blows out the nearer candle) Hush. That was no fox, matey.
Anne Hartley: [I counted two barks. He barks three times at strangers.] It is only Ned with the milk. I
  would know that step anywhere.
Mr. Doyle: I shall go and see, ma'am. (takes the lantern from its hook) [If it is the constable, I will own
  to everything.] I won't be a minute."""

QUAY = """Anne Hartley: Ten years, and you have not a grey hair. (folds the letter into her sleeve) I heard you had
  drowned.
Captain Rusk: Drowned twice, matey, and came up for air. [She kept my letter. She has it there, in her
  sleeve.] Is the old house standing?
Mr. Doyle: (takes off his spectacles) It was sold in spring, ma'am, to pay the surgeon. I signed for it.
Anne Hartley: [I wanted that house for the boy.] Then there is nothing left to hide, and nobody to hide it
  from.
Captain Rusk: Walk with me, matey, as far as the lighthouse. I have a thing to ask, and you may lay to that."""

SALE = """Vera Lund: (shuts the laptop) The buyer called at nine. He wants the blue vase, and he wants it cheap. [I
  already said yes to him. Nobody needs to hear that.]
Tom Ashe: Two hundred pounds, my dear, and not one more. I have had it valued by a friend, my dear.
Vera Lund: You had it valued in a pub, Tom. I will ask for three.
Tom Ashe: [She has sold it. I can tell by the shoes.] (turns the vase to the window) Then ask him, my dear.
  I will wait.
Vera Lund: Wait outside, please. I can't lie with you watching me.
Tom Ashe: So you do mean to lie. (sits down on the crate) I am glad we agree on that much."""

GORGE = """周仓: (把灯笼挂在桅上) 十九条快船都在滩上，少一条也不成。[军师看了我一眼，他怕是知道了。]
孔明: 将军辛苦。敢问那三十名桨手，如今在哪里？
周仓: 军师放心，都在草棚里喝粥。（把灯笼转了个方向）我数过两遍。
孔明: [他数了两遍，可见心里没有数。] 亮信得过将军。雨这样大，亮不急。
周仓: 我这就去催，军师。天亮以前一定回来。
孔明: (把扇子收进袖里) 亮在这里等着，将军慢走。"""

MARKET = """Mercédès: (choisit un brin de romarin) Il vient de Marseille, monsieur. On le reconnaît à l'odeur.
Monte-Cristo: [Elle sait. Elle a reconnu ma voix.] Je ne connais pas Marseille, madame. J'y suis passé une
  nuit.
Mercédès: Une nuit suffit pour certaines choses. [Il ment comme mentait Edmond.] Combien pour ce bouquet ?
Monte-Cristo: (pose une pièce sur la planche) Permettez-moi de vous l'offrir, madame. Je dois partir.
Mercédès: Déjà ? Vous venez à peine d'arriver."""

CANTEEN = """Rita Kowalczyk: (stellt einen Teller auf die Theke) Die Suppe ist heiß. Setzen Sie sich, Frau Voss.
Lena Voss: [Mein Vater hat hier gegessen. Das weiß sie nicht.] Danke. Ich esse im Stehen. Gibt es hier
  offene Forderungen?
Rita Kowalczyk: Bei mir zahlt jeder bar. [Das Buch liegt unter den Tüchern.] Fragen Sie, wen Sie wollen.
Lena Voss: (klebt einen Zettel an den Topf) Dann nehme ich den Topf auf. Achtzig Liter, Edelstahl.
Rita Kowalczyk: Nehmen Sie ihn. Die Suppe bleibt hier."""

PEOPLE = {
    "Captain Rusk": Character(
        name="Captain Rusk",
        profile="A smuggler and sailor of fifty, loud and easy. He says matey to everyone.",
        background="He sold the boat in Calais and owes money to dangerous strangers.",
        motivation="To hide forty barrels before daylight, and to be thanked for it.",
    ),
    "Anne Hartley": Character(
        name="Anne Hartley",
        profile="A widow of thirty, quiet and exact. She keeps the ledger of the parish.",
        background="She has written to the magistrate and posted the letter on Tuesday.",
        motivation="To keep the child asleep upstairs.",
    ),
    "Mr. Doyle": Character(
        name="Mr. Doyle",
        profile="The apothecary of the village, timid, polite to a fault. He never finishes a quarrel.",
        background="He told the excise men everything for twenty guineas.",
        motivation="To be believed by both sides until midnight.",
    ),
    "Vera Lund": Character(
        name="Vera Lund",
        profile="A dealer of forty. She talks fast.",
        background="She needs a deposit for another flat by Friday.",
        motivation="To sell the vase twice.",
    ),
    "Tom Ashe": Character(
        name="Tom Ashe",
        profile="Her partner, slow and vain. He says my dear.",
        background="He glued a crack in the base himself last winter.",
        motivation="To be gone before the buyer looks closely.",
    ),
    "周仓": Character(
        name="周仓",
        profile="水寨的船夫头目，粗直。他管着快船。",
        background="第二十条船是偷来的，藏在上游。",
        motivation="把船数瞒过去。",
    ),
    "孔明": Character(
        name="孔明",
        profile="军师，自称亮，说话慢。他摇扇。",
        background="夜里看见有人离了队。",
        motivation="等对方自己开口。",
    ),
    "Mercédès": Character(
        name="Mercédès",
        profile="Comtesse, trente-neuf ans. Elle parle peu.",
        background="Une lettre ancienne ne la quitte jamais.",
        motivation="Savoir qui est cet homme.",
    ),
    "Monte-Cristo": Character(
        name="Monte-Cristo",
        profile="Étranger très riche. Il est pâle.",
        background="Jadis, fiancé et marin, il fut jeté au cachot.",
        motivation="Repartir sans avoir rien montré.",
    ),
    "Rita Kowalczyk": Character(
        name="Rita Kowalczyk",
        profile="Wirtin, achtundfünfzig. Sie redet in halben Sätzen.",
        background="Drei Jahrzehnte lang durfte jeder anschreiben.",
        motivation="Das Buch vor der Juristin verstecken.",
    ),
    "Lena Voss": Character(
        name="Lena Voss",
        profile="Juristin, vierunddreißig. Sie ist höflich.",
        background="Jemand aus ihrer Familie stürzte vom Gerüst.",
        motivation="Die Liste bis sechs fertig haben.",
    ),
}

SETTINGS = {
    "port": "A kitchen by the harbour, late on a November evening. Rain on the window. Forty barrels stand below.",
    "quay": "The quay, ten years later, a morning in June.",
    "sale": "A shop in the city, two in the afternoon. Three crates stand open.",
    "gorge": "江边草棚，雨夜。十九条快船靠在滩上。",
    "market": "Un marché à Paris, un matin de mai. Il a plu.",
    "canteen": "Die Kantine des Werks, nachts um vier. Es regnet.",
}
SCENES = (
    ("port", "Persuasion", "en", PORT),
    ("quay", "Persuasion", "en", QUAY),
    ("sale", "Lot Forty-One", "en", SALE),
    ("gorge", "三国演义", "zh", GORGE),
    ("market", "Le Comte de Monte-Cristo", "fr", MARKET),
    ("canteen", "Die letzte Schicht", "de", CANTEEN),
)


def turns_of(script: str) -> list[Turn]:
    """The turns of a script, in CoSER's brackets; a line that begins with white space goes on with the one before."""
    found = []
    for number, line in enumerate(re.sub(r"\n +", " ", script).splitlines(), 1):
        name, _, text = line.partition(": ")
        parsed = parse(text, style=Style.BRACKETS, speaker=name).turn
        found.append(Turn(name, parsed.segments, id=f"t{number:02}"))
    return found


def scene(id: str, book: str, language: str, turns: Iterable[Turn]) -> Scene:
    """A scene with those of the people above who take a turn."""
    names = dict.fromkeys(turn.speaker for turn in turns if turn.speaker != ENVIRONMENT)
    cast = tuple(PEOPLE[name] for name in names)
    return Scene(
        id=id, title=id, book=book, language=language, setting=SETTINGS[id.rsplit("/", maxsplit=1)[-1]], cast=cast
    )


def rows(*languages: str) -> list[PoolRow]:
    """Every turn of the scenes as a place to compare at; of some languages only where any are named."""
    found = []
    for id, book, language, script in SCENES:
        turns = turns_of(script)
        for at, turn in enumerate(turns):
            if turn.speaker == ENVIRONMENT or (languages and language not in languages):
                continue
            before = tuple(TurnRow.of(one) for one in turns[:at])
            context = Context(scene=scene(id, book, language, turns), turns=before, reference=TurnRow.of(turn))
            found.append(
                PoolRow(
                    id=f"{id}/{turn.id}",
                    scene=id,
                    book=book,
                    author="",
                    slug=slug(book),
                    character=turn.speaker,
                    turn=turn.id,
                    number=1 + sum(one.speaker == turn.speaker for one in turns[:at]),
                    language=language,
                    reference=render(turn, name=True),
                    context=context.model_dump_json(),
                )
            )
    return found


def place(id: str = "port", at: int = 4) -> Place:
    """The place of a scene's turn, counted from 0, with all that stands around it."""
    _, book, language, script = next(one for one in SCENES if one[0] == id)
    turns = turns_of(script)
    apart = [turn for other, title, _, text in SCENES if title == book and other != id for turn in turns_of(text)]
    return Place(
        id=f"{id}/{turns[at].id}",
        book=slug(book),
        scene=scene(id, book, language, turns),
        turns=tuple(turns[:at]),
        turn=turns[at],
        ahead=tuple(turns[at + 1 :]),
        apart=tuple(apart),
    )


def places() -> list[Place]:
    """Every place of every scene where one of the cast speaks."""
    return [
        place(id, at)
        for id, _, _, script in SCENES
        for at, turn in enumerate(turns_of(script))
        if turn.speaker != ENVIRONMENT
    ]


def segment(kind: Kind, text: str) -> Segment:
    """A segment."""
    return Segment(kind, text)


def pairs(seed: int = 0, **more: object) -> list[Pair]:
    """The pairs of all scenes."""
    return list(make(rows(), rng=Random(seed), **more))  # type: ignore[arg-type]
