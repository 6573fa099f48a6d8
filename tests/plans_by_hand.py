"""Plans written by hand for turns of two scenes of *Pride and Prejudice*, and those scenes cut from the book.

The book is not here: a turn is found by its speaker and the words its speech begins with. `NEAR` was used to choose
the thresholds of plan-turn agreement, `FAR` was written before and looked at after.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from her.rows.record import Piece, SceneRow, Source, TurnRow
from her.scene import Character
from her.turn import Kind

MR, MRS = "Mr. Bennet", "Mrs. Bennet"
LIZZY, LADY = "Elizabeth Bennet", "Lady Catherine"

NEAR: tuple[tuple[str, str, str], ...] = (
    (
        MRS,
        "My dear Mr. Bennet, have you",
        "The first words of the scene. Mrs. Bennet has heard news that she thinks will change her daughters' lives, "
        "and she cannot keep it to herself. She should not simply tell it: she opens with a question, affectionate and "
        "a little breathless, so that her husband has to ask for more. The house that stood empty has a tenant.",
    ),
    (
        MRS,
        "But it is, for Mrs. Long",
        "Mr. Bennet says that he knows of nothing. That is all the opening Mrs. Bennet needs. She contradicts him at "
        "once and names her authority, the neighbour who called this morning, so that the report sounds certain.",
    ),
    (
        MRS,
        "Do you not want",
        "Her husband stays silent, and his silence robs Mrs. Bennet of her story. She grows impatient. Play her as a "
        "woman who demands curiosity: she all but orders him to ask who the newcomer is.",
    ),
    (
        MR,
        "You want to tell me",
        "Mrs. Bennet has lost patience with him. Mr. Bennet sees perfectly well that it is she who is bursting with "
        "it. He will not pretend to any curiosity of his own, but dry consent to listen costs him nothing and amuses "
        "him. One cool sentence.",
    ),
    (
        MRS,
        "Why, my dear, you must know",
        "Permission to talk at last. Mrs. Bennet pours out everything Mrs. Long told her in one run-on flood: the rich "
        "young northerner, how he arrived and looked the place over, how quickly he settled with the agent, when he "
        "moves in. Details tumble over one another; what counts for her is the fortune.",
    ),
    (
        MR,
        "What is his name",
        "After such a torrent Mr. Bennet answers with the plainest question possible. He gives her the smallest sign "
        "of interest, knowing that she has left out the one fact that anyone would begin with.",
    ),
    (
        MRS,
        "Bingley",
        "Asked for the name, Mrs. Bennet gives it and nothing else. She is hurrying towards the point, and a single "
        "word is quickest.",
    ),
    (
        MR,
        "Is he married or single",
        "Mr. Bennet knows exactly where this is going. He asks the question that his wife is dying to be asked, with "
        "an innocent face, as if a stranger's marriage were a matter of idle record.",
    ),
    (
        MRS,
        "Oh! Single",
        "He has asked the very thing. Mrs. Bennet is triumphant: unmarried, and with thousands a year. She should "
        "exclaim, repeat the good word, give the figure, and leap straight to her girls.",
    ),
    (
        MR,
        "How so",
        "Mr. Bennet decides to be dense. His wife takes the link between a bachelor's income and their daughters for "
        "granted; he makes her spell it out by claiming that he sees no connection.",
    ),
    (
        MRS,
        "My dear Mr. Bennet, how can you",
        "Her husband pretends not to follow, and it vexes Mrs. Bennet. She scolds him for being provoking and then "
        "says outright what she has been thinking since Mrs. Long's visit: the gentleman shall be a husband for one of "
        "them.",
    ),
    (
        MR,
        "Is that his design",
        "She has named her hope as if it were a settled thing. Mr. Bennet turns it round: he inquires gravely whether "
        "the poor man came here with that purpose. The joke lies in taking her at her word.",
    ),
    (
        MRS,
        "Design! Nonsense",
        "Mrs. Bennet hears mockery and brushes it off as absurd. She retreats only half a step, from certainty to "
        "likelihood, that he could fall for a daughter, and hurries on to what she wants done: a call on the newcomer "
        "as soon as he arrives.",
    ),
    (
        MR,
        "I see no occasion",
        "Pressed to pay the visit, Mr. Bennet declines with a compliment that has a sting in it. Let him propose that "
        "the ladies go alone, or are sent without her, since with her looks she might carry off the young man herself.",
    ),
    (
        MRS,
        "My dear, you flatter me",
        "The compliment works although it was a tease. Mrs. Bennet is pleased, remembers that she was a beauty, and "
        "puts on modesty: a mother of five grown girls has given up such vanity. For a moment she forgets the errand.",
    ),
    (
        MR,
        "In such cases",
        "His wife has just talked of giving up all thought of her looks. Mr. Bennet cannot resist the obvious retort "
        "about how much there is left by then. Short, smooth, perhaps too quick for her to feel.",
    ),
    (
        MRS,
        "But, my dear, you must indeed",
        "The joke passes over Mrs. Bennet's head. She returns to her purpose with more weight: he really has to go "
        "and meet the gentleman once he has come to live among them.",
    ),
    (
        MR,
        "It is more than I engage",
        "Mr. Bennet has no wish to be pinned down. He refuses to promise anything, politely and in the fewest words, "
        "so that she must go on pleading.",
    ),
    (
        MRS,
        "But consider your daughters",
        "Refused again, Mrs. Bennet brings up heavier arguments: what such a match would mean for a girl, what the "
        "Lucases mean to do though they never call on strangers, and the rule that ladies cannot go where the head of "
        "the house has not been first.",
    ),
    (
        MR,
        "You are over-scrupulous",
        "Mr. Bennet waves her rules away. He will mock her hope by treating it as done: a note in her hand that gives "
        "his blessing to whichever girl is picked. And because she is listening he adds a recommendation for his "
        "favourite, Lizzy.",
    ),
    (
        MRS,
        "I desire you will do",
        "A note would ruin everything, and to favour Lizzy is an old grievance. Mrs. Bennet forbids it sharply and "
        "measures the girl against her sisters: Jane's beauty, Lydia's temper. He always prefers the wrong one.",
    ),
    (
        MR,
        "They have none of them",
        "Mr. Bennet does not defend himself. He condemns all five alike as foolish and untaught, and then excepts one "
        "for being quicker than the rest. Let the real fondness show under the insult.",
    ),
    (
        MRS,
        "Mr. Bennet, how can you abuse",
        "To hear him run down his own daughters is too much. Mrs. Bennet reproaches him, feels tormented on purpose, "
        "and takes her usual refuge: her nerves, for which he has no pity.",
    ),
    (
        MR,
        "You mistake me",
        "She has appealed to her nerves, as she does whenever she is crossed. Mr. Bennet ends the skirmish with mock "
        "courtesy: far from slighting them, he honours them as old acquaintances after twenty years of hearing about "
        "them.",
    ),
)

FAR: tuple[tuple[str, str, str], ...] = (
    (
        LADY,
        "You can be at no loss",
        "Lady Catherine has got the girl alone and means to strike at once. She will not explain herself: she assumes "
        "guilt, and tells Miss Bennet that her own conscience knows why such a visitor has come.",
    ),
    (
        LIZZY,
        "Indeed, you are mistaken",
        "Elizabeth truly does not know what this is about. She keeps her manners and answers plainly that she cannot "
        "explain the visit. Surprise, not defence.",
    ),
    (
        LADY,
        "Miss Bennet, you ought to know",
        "Taking the girl's surprise for a trick, Lady Catherine grows angry. She praises her own frankness and brings "
        "out the report: one sister well married, and this one soon to be joined to her nephew. She calls it a lie "
        "and yet has travelled here to say what she thinks of it.",
    ),
    (
        LIZZY,
        "If you believed it impossible",
        "The rumour astonishes Elizabeth and the tone offends her. She sees the weak place in her ladyship's speech: "
        "nobody drives so far to deny what cannot be. She asks what the journey was meant to achieve.",
    ),
    (
        LADY,
        "At once to insist",
        "A direct question deserves a command. Lady Catherine wants the story denied, everywhere and immediately, and "
        "says so in one breath.",
    ),
    (
        LIZZY,
        "Your coming to Longbourn",
        "Elizabeth stays cool. She points out that a call on her family will make people believe the rumour, if there "
        "is one. Let the doubt in the last words irritate.",
    ),
    (
        LADY,
        "If! Do you then",
        "That one small word stings Lady Catherine. She cannot believe in such ignorance and accuses the Bennets of "
        "having spread the tale themselves, question upon question.",
    ),
    (
        LIZZY,
        "I never heard",
        "Elizabeth answers the charge with the simple truth, and adds nothing: no such talk has come to her ears.",
    ),
    (
        LADY,
        "And can you likewise",
        "Unsatisfied, Lady Catherine tightens the net: after hearsay, fact. She wants a declaration that the thing is "
        "groundless.",
    ),
    (
        LIZZY,
        "I do not pretend",
        "Here Elizabeth draws a line. Her ladyship may boast of frankness; Elizabeth claims none, and reserves the "
        "right not to reply to everything she is asked.",
    ),
    (
        LADY,
        "This is not to be borne",
        "To be refused an answer is unbearable to Lady Catherine. She demands satisfaction and asks outright whether "
        "her nephew has proposed.",
    ),
    (
        LIZZY,
        "Your ladyship has declared",
        "Elizabeth will neither lie nor confess. She turns the other's own words against her: was it not impossible?",
    ),
    (
        LADY,
        "It ought to be so",
        "Lady Catherine falters from fact to duty. If he is in his senses it cannot be, but a designing young woman "
        "might have bewitched him into forgetting his family. The accusation of seduction should be unmistakable.",
    ),
    (
        LIZZY,
        "If I have, I shall",
        "Accused of having drawn him in, Elizabeth answers with a shrug in words: one who had would be the last to "
        "admit it.",
    ),
    (
        LADY,
        "Miss Bennet, do you know who",
        "Nobody speaks to her like this. Lady Catherine falls back on rank: does the girl know whom she faces? As "
        "his nearest relation she has a right to his affairs.",
    ),
    (
        LIZZY,
        "But you are not entitled",
        "Elizabeth grants the right to his concerns and denies any right to her own. She adds that bullying will not "
        "make her more open.",
    ),
    (
        LADY,
        "Let me be rightly understood",
        "Lady Catherine plays what she takes for her trump. The match cannot happen since he is promised to her "
        "daughter. She ends with a challenge and expects it to crush.",
    ),
    (
        LIZZY,
        "Only this; that if",
        "Elizabeth answers the trump with logic. If he is bound to the daughter, there is nothing to fear from him, "
        "and so no reason for this visit.",
    ),
    (
        LADY,
        "The engagement between them",
        "Caught, Lady Catherine must admit that the promise is an odd one. She retreats to cradles and mothers' "
        "wishes, and then attacks the girl's low birth and want of delicacy.",
    ),
    (
        LIZZY,
        "Yes, and I had heard it",
        "None of this is new to Elizabeth. She reasons it through calmly: two mothers planned, but it was never theirs "
        "to finish. If he is free, he may choose, and she may accept.",
    ),
    (
        LADY,
        "Because honour, decorum",
        "To that question Lady Catherine has a threat for answer. Honour, prudence and plain interest forbid it: the "
        "family will slight her and never speak her name.",
    ),
    (
        LIZZY,
        "These are heavy misfortunes",
        "The threat of being shunned strikes Elizabeth as comic. She grants that these are great misfortunes, and "
        "observes that such a wife would have happiness enough not to repine.",
    ),
    (
        LADY,
        "Obstinate, headstrong girl",
        "Mockery meets Lady Catherine's temper. She calls the girl names, recalls her kindness of last spring, makes "
        "her sit, and vows not to be turned from her purpose, for disappointment is strange to her.",
    ),
    (
        LIZZY,
        "THAT will make your",
        "Elizabeth takes the vow for what it is. It will only make her ladyship's position more pitiable, and it does "
        "not touch Elizabeth.",
    ),
    (
        LIZZY,
        "In marrying your nephew",
        "Told to stay in her sphere, Elizabeth answers with dignity: he is a gentleman and her father is one as well, "
        "so the two are on a level.",
    ),
    (
        LIZZY,
        "Whatever my connections",
        "Her relations have been thrown in her face. Elizabeth does not excuse them: if the nephew does not mind "
        "them, they are no business of the aunt's.",
    ),
    (
        LIZZY,
        "I am not.",
        "A plain question at last. Elizabeth does not want to please her, but to be silent would be a kind of lie. "
        "After a pause she says the truth: there is no engagement.",
    ),
    (
        LIZZY,
        "I will make no promise",
        "Her honesty has been taken as an opening for more. Asked to bind herself for the future, Elizabeth refuses "
        "flatly.",
    ),
    (
        LIZZY,
        "And I certainly NEVER",
        "Lady Catherine has said that she will not leave without the assurance. Elizabeth will now say all she thinks: "
        "such a promise would not bring the daughter any nearer, the arguments are frivolous, the interference has no "
        "right on its side. She ends by asking to be left alone on the subject.",
    ),
)


NEAR_MINDS: dict[str, tuple[str, str]] = {
    "t01": ("He must ask. He cannot sit there with his book when I have such news!", "leans forward in the chair"),
    "t02": ("Mrs. Long never carries a tale that is not true.", ""),
    "t03": ("Not a word! He would let me burst.", ""),
    "t04": ("She will tell me whether I ask or not. Let her have her pleasure.", "lowers the newspaper"),
    "t05": (
        "A carriage and four, and servants by the week's end. If only the girls were here to listen.",
        "counts on her fingers",
    ),
    "t06": ("Everything but the name. That is my wife.", ""),
    "t07": ("", ""),
    "t08": ("One question more and she will be perfectly happy.", "turns a page"),
    "t09": ("Unmarried, and so rich! It is as good as settled for Jane.", "claps her hands"),
    "t10": ("I shall be stupid for a while. It always provokes her.", ""),
    "t11": ("He does it on purpose. Any other father would have seen it at once.", ""),
    "t12": ("Poor fellow, he has come to hunt and shoot, and is as good as caught.", "raises both eyebrows"),
    "t13": ("He is laughing at me. No matter; if he only calls on the man first, before the Lucases do.", ""),
    "t14": ("I have no mind to be sent out courting for five daughters.", "bows to her from the chair"),
    "t15": ("I was a handsome girl, and he remembers it after all.", "smooths her cap"),
    "t16": ("", ""),
    "t17": ("How did we come to talk of me? It is the visit that matters.", ""),
    "t18": ("I will promise nothing. It is far more amusing to refuse.", "goes back to the newspaper"),
    "t19": ("Lady Lucas has a daughter of her own to marry, and she will be before us.", "wrings her hands"),
    "t20": ("A letter of consent, carried by the mother. That would be worth seeing.", ""),
    "t21": ("Always Lizzy, as if Jane were not five times as pretty.", "stamps her foot"),
    "t22": ("She has the only head among them, and I should be dull without her.", ""),
    "t23": ("He is cruel. I feel the flutterings coming on already.", "presses a handkerchief to her temples"),
    "t24": ("There they are, as punctual as ever.", "inclines his head gravely"),
}

FAR_MINDS: dict[str, tuple[str, str]] = {
    "t01": ("She dares to look me in the face.", "halts on the path"),
    "t02": ("What can she mean? I thought she brought a letter from Charlotte.", ""),
    "t03": ("Impertinent girl, to act the innocent with me. She shall hear what I heard.", ""),
    "t04": ("So that is it. Mr. Darcy! And she has come all this way for a rumour.", "colours deeply"),
    "t05": ("", ""),
    "t06": ("She has not considered how her carriage at our door will look.", ""),
    "t07": ("If! As though I did not know where such gossip begins.", "strikes the gravel with her parasol"),
    "t08": ("Whoever has been talking, it was none of us.", ""),
    "t09": ("She slips away from every word. I will have a plain denial.", ""),
    "t10": ("I owe her no confessions.", "meets her eyes"),
    "t11": ("Never in my life have I been refused an answer.", ""),
    "t12": ("Her own word shall serve me.", "smiles a little"),
    "t13": ("Men are weak, and the girl is pretty enough to turn a head.", ""),
    "t14": ("Let her think what she likes of my arts.", ""),
    "t15": ("Does she forget who stands before her?", "draws herself up"),
    "t16": ("His affairs may be hers. Mine are my own.", ""),
    "t17": ("This will silence her. Anne was meant for him from the cradle.", ""),
    "t18": ("If he were truly engaged, she would be sitting at Rosings.", ""),
    "t19": ("It was a promise between sisters, and it should be as good as law.", "hesitates"),
    "t20": ("Their mothers may have wished it. He did not.", "walks on beside her"),
    "t21": ("If she has no shame, she may still fear to be cast out.", ""),
    "t22": ("To lose the notice of such relations! I think one might survive it.", ""),
    "t23": ("I was kind to her at Rosings, and this is her return.", "sits down on a bench"),
    "t24": ("", "remains standing"),
    "t25": ("My father is as good a gentleman as hers was.", ""),
    "t26": ("Poor Mama. But he knows all about my uncles.", ""),
    "t27": ("I should not answer to please her. But it is true.", "looks down at the path"),
    "t28": ("She would have me sign away the future now.", ""),
    "t29": ("I have been patient long enough. She shall have the whole of it.", "stands up"),
}
"""A thought and an action for each turn, in front of what is said, as role thinking would write them; some empty."""


Plans = tuple[tuple[str, str, str], ...]
Minds = Mapping[str, tuple[str, str]]


def scene_of(book: Path, chapter: int, plans: Plans, minds: Minds | None = None) -> tuple[SceneRow, dict[str, str]]:
    """The scene whose turns these plans are for, and each plan by its turn's id; what stands between is left out."""
    text = book.read_text(encoding="utf-8")
    body = text.partition(f"Chapter {chapter}.\n")[2].partition(f"Chapter {chapter + 1}.\n")[0]
    spoken = [" ".join(re.findall(r'"\s*([^"]*?),?(?:"|$)', paragraph)) for paragraph in body.split("\n\n")]
    turns: list[TurnRow] = []
    wanted: dict[str, str] = {}
    for number, (speaker, opening, plan) in enumerate(plans, 1):
        id = f"t{number:02}"
        said = next(speech for speech in spoken if plain(speech).startswith(plain(opening)))
        thought, action = (minds or {}).get(id, ("", ""))
        parts = (Kind.ROLE_THINKING, thought), (Kind.ROLE_ACTION, action), (Kind.SPEECH, " ".join(said.split()))
        pieces = tuple(Piece(kind=kind, text=words) for kind, words in parts if words)
        turns.append(TurnRow(id=id, speaker=speaker, segments=pieces))
        wanted[id] = plan
    row = SceneRow(
        id=f"pride-and-prejudice/{chapter}/1",
        title="",
        source=Source(book="Pride and Prejudice"),
        setting="A country house in England." if chapter == 1 else "A walk near the house at Longbourn.",
        cast=tuple(Character(name=name) for name in sorted({speaker for speaker, _, _ in plans})),
        turns=tuple(turns),
    )
    return row, wanted


def plain(text: str) -> str:
    """The text as two editions would agree on it."""
    return re.sub(r"\W+", " ", text).strip().casefold()
