"""Two little novels of our own, with narration before every talk: two chapters in English, one in Chinese."""

from __future__ import annotations

from pathlib import Path

MILL = """\
The Mill at Low Water

by A. Writer


CHAPTER I


The mill had stood idle since the spring, for the river was lower than anyone in the valley could remember. Hanna \
kept the ledger all the same. Every evening she sat down at the long table, trimmed the lamp, and wrote a nought \
under the nought of the day before.

Her brother Anton had come home from the coast in the first week of August. He had brought one bag, and a cough, and \
he had not said how long he meant to stay. The neighbours had begun to ask. Hanna told them that he was resting, and \
looked at the road when she said it.

On that evening the wind had turned. Anton stood in the open door with his hat still on, and the dust of the lane lay \
white on his boots.

“You have been at the weir again,” said Hanna.

“I have been at the weir,” said Anton. “Somebody has shut the upper gate. The whole of the water goes to Brandt's \
meadow now.”

“That cannot be,” replied Hanna. She put down the pen. “The gate has been ours since grandfather built it. There is a \
paper.”

“Then show me the paper,” said Anton.

Hanna did not get up at once. She moved the lamp a little to the left.

“It is in the iron box,” she said, “and the key of the iron box is with the notary.”

“Since when?” asked Anton.

“Since the winter. I owed him for the new stones, and he would not wait.”

Anton laughed, but he came in and shut the door behind him. “So Brandt need only pay the notary,” said Anton, “and he \
has the river.”

“He has paid already,” answered Hanna. “That is why I write noughts.”


CHAPTER II


In the morning they went down to the town together. It was market day, and the square before the notary's house was \
full of carts. Hanna wore her mother's grey coat, although it was warm, because it had a deep pocket on the inside.

The notary, a small man called Mr. Pell, received them between two doors. He had a visitor, he let them know, and \
could spare them as long as it took to drink a cup of tea.

“We have come for the key,” said Hanna.

“The key is safe,” replied Mr. Pell. “A key is always safest where it is not needed.”

“It is needed,” said Hanna. “The upper gate is shut, and the paper says who may shut it.”

Mr. Pell stirred his tea. Behind the second door a chair was pushed back.

“Papers say a great deal,” answered Mr. Pell. “It depends on who reads them aloud.”

“Then read it aloud to us,” said Hanna. “We have the whole morning.”

“And the gentleman who is listening at the door may come in,” she added. “He will want to hear it too.”

“There is nobody at the door,” said Mr. Pell, but he set down the cup.

Hanna laid her hand on the table, palm upward, and left it there.

“The key, Mr. Pell,” said Hanna. “I can wait for a river, so I can wait for you.”
"""

WELL = """\
枯井

佚名


第一章 借水


镇上已经四十天没有下雨。北街那口老井见了底，剩下的一点泥水，要用瓢慢慢地刮。周婶每天天不亮就去排队，轮到她时太阳已经晒到脚面。

她隔壁住着一个外乡人，姓陆，是去年冬天搬来的。老陆不大出门，院子里却总是湿的，有人说夜里听见他家有辘轳声。

这天傍晚，周婶提着空桶站在陆家门口。门开了一条缝，里头透出一点灯光。

“老陆，我来借一桶水。”周婶说。

“水是有的。”老陆道。他没有把门再推开些。“只是不能让人知道从哪里来。”

“我不问。”周婶说，“我孙子病了，要熬药。”

老陆看了看那只桶，又看了看她身后的巷子。

“你进来。”老陆道，“脚步轻一点。”

院子当中果然有一口井，井沿的石头还是新的。周婶站住了。

“这井，是你自己挖的？”周婶问。

“不是我。”老陆道，“是你丈夫当年挖的，他没有告诉过你。”

“他走了二十年了。”周婶说。

“所以我回来替他把井沿砌好。”老陆道。
"""


def write(folder: Path) -> tuple[Path, Path]:
    """The two as files."""
    folder.mkdir(parents=True, exist_ok=True)
    mill, well = folder / "mill.txt", folder / "well.txt"
    mill.write_text(MILL, encoding="utf-8")
    well.write_text(WELL, encoding="utf-8")
    return mill, well


def write_many(folder: Path, count: int) -> list[Path]:
    """So many novels, every one with other words than the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"mill-{number:02}.txt" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_text(
            MILL.replace("river", f"river no {number}").replace("Brandt", f"Brandt{number}"), encoding="utf-8"
        )
    return paths
