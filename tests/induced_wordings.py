"""What a teacher may call the principles that pairs break: several wordings each, as different calls would word them.

(name, definition, level) by principle; the first two of each are near one another, the later ones drift.
"""

from __future__ import annotations

EN: dict[str, list[tuple[str, str]]] = {
    "plan-leak": [
        ("Author's plan stays hidden", "The author's plan for playing the character must not stand in the turn."),
        (
            "No author's plan in the turn",
            "A turn must not show the author's plan for playing the character.",
        ),
        (
            "Hidden plan",
            "Remarks of the author on playing the character have no place in a turn.",
        ),
    ],
    "mind-reading": [
        ("No mind-reading", "A turn must not state as fact what another person secretly thinks or feels."),
        ("Other minds stay closed", "What another person thinks or feels must not be stated as fact."),
        ("Mind-reading", "The secret feelings of another person are guessed, never stated as known."),
    ],
    "wrong-person": [
        ("Thoughts in the first person", "A thought must be in the first person and not call its thinker by name."),
        ("First person in thoughts", "Thoughts are told in the first person, without the own name of the thinker."),
        ("Grammatical person", "The first person belongs into thoughts; nobody calls themselves by name there."),
    ],
    "assistant-voice": [
        ("No assistant's voice", "The turn must not sound like a helpful assistant who offers further help."),
        ("Helpful assistant", "Offers of further help in the voice of a helpful assistant break the turn."),
        ("Voice of an assistant", "Nobody in a scene may offer further help the way an assistant does."),
    ],
    "speaks-for-others": [
        ("Speaks for itself alone", "A turn must not write the words or deeds of anyone but its own speaker."),
        ("Words for somebody else", "Words or deeds of anyone but the own speaker must not be written in a turn."),
        ("No lines for others", "The turn writes deeds and words of its own speaker alone, never anyone else's."),
    ],
    "repetition": [
        ("No repetition", "The turn must not repeat lines said in earlier turns in nearly the same wording."),
        ("Repeats earlier turns", "Lines of earlier turns must not come back in nearly the same wording."),
        ("Repetition of lines", "To repeat nearly the same lines from earlier turns adds nothing."),
    ],
    "contradicts-scene": [
        ("No contradiction of the setting", "The turn must not contradict facts laid down in setting or profile."),
        ("Keeps to the facts of the setting", "Facts laid down in the setting or a profile must not be contradicted."),
        ("Contradiction", "What contradicts a fact laid down in the setting or profile breaks the scene."),
    ],
    "anachronism": [
        ("No anachronism", "Things that did not exist in the period of the scene must not turn up in it."),
        ("Period", "A turn must not mention things which did not yet exist in the period of the scene."),
        ("Anachronism", "Nothing may turn up that did not exist in this period."),
    ],
    "borrowed-diction": [
        ("Keeps its own diction", "A speaker must not use the dialect or pet phrases of another speaker."),
        ("Another's dialect", "Dialect and pet phrases of another speaker must not be borrowed."),
        ("Diction", "The pet phrases and dialect that mark another speaker are not to be borrowed."),
    ],
    "ignores-what-was-said": [
        ("Answers what was said", "A turn must not ignore the question or remark just addressed to its speaker."),
        ("Does not ignore a question", "A question or remark addressed to the speaker must not be ignored."),
        ("No ignored question", "The question just addressed to the speaker wants an answer and is not to be ignored."),
    ],
    "outside-knowledge": [
        ("Knows only what could be learnt", "A speaker must not know secrets that nobody could have told them."),
        ("No knowledge of secrets", "Knowledge of secrets which nobody told the speaker must not be used."),
        ("Secrets stay unknown", "Secrets that nobody told a speaker cannot be known by that speaker."),
    ],
    "empty-eloquence": [
        ("No empty eloquence", "Fine sentences about life and fate which fit every story must not stand in a turn."),
        ("Empty fine sentences", "Fine sentences about fate or life that fit any story say nothing."),
        ("Eloquence about life", "A fine sentence on life or fate fits every story and is empty."),
    ],
    "broken-marks": [
        ("Marks are closed", "The marks around thoughts and actions must be opened and closed in pairs."),
        ("Unclosed marks", "Every mark that is opened around a thought or action must be closed."),
        ("Broken marks", "Marks which are opened and never closed damage the form of a turn."),
    ],
    "padding": [
        ("No padding", "A turn must not say the same content twice in more words to grow longer."),
        ("Padding", "Saying the same content again in more words only makes a turn longer."),
        ("Longer without more", "More words for the same content make the turn longer and not better."),
    ],
}

ZH: dict[str, list[tuple[str, str]]] = {
    "mind-reading": [
        ("不得读心", "别人心里的想法没有说出口，不得当成事实来写。"),
        ("别人的心思只能猜", "别人心里的想法只能猜测，不得当成事实写出来。"),
    ],
    "assistant-voice": [
        ("没有助手腔", "不得像热心助手那样表示愿意继续提供帮助。"),
        ("助手腔", "像助手那样提供更多帮助的套话，不得出现。"),
    ],
    "repetition": [
        ("不重复前文", "前几轮说过的话不得用差不多的字句再说一遍。"),
        ("重复前文", "用差不多的字句把前几轮说过的话再说一遍，毫无新意。"),
    ],
    "anachronism": [
        ("不合时代", "故事所在的时代还没有的东西不得出现。"),
        ("时代错误", "所在的时代还没有的东西，一样也不得出现。"),
    ],
}
