"""What to do about a failure: its class, the action that fits and a sentence for the end user.

Pure. Operators' own rules go before the built-in ones; an error that no rule knows is called unknown, and said to be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from lamina_core import errors

READ_LENGTH = 8_000  # signs of an error that are looked at
SHORTEST_TEXT, LONGEST_TEXT, LONGEST_SENTENCE = 3, 200, 500  # signs of an operator's rule


class FailureClass(StrEnum):
    """What kind of thing went wrong."""

    BAD_INPUT = "bad_input"
    MEDIA = "media"
    CREDITS = "credits"
    RATE_LIMIT = "rate_limit"
    PROVIDER = "provider"
    MODERATION = "moderation"
    UNKNOWN = "unknown"


class Action(StrEnum):
    """What an operator had better do."""

    REPLAY_UNCHANGED = "replay_unchanged"
    EDIT_FIRST = "edit_first"
    WAIT = "wait"
    DO_NOT_REPLAY = "do_not_replay"
    TELL_ENGINEERING = "tell_engineering"


CLASS_WORDS: Mapping[FailureClass, str] = {
    FailureClass.BAD_INPUT: "an input does not fit",
    FailureClass.MEDIA: "a file cannot be used",
    FailureClass.CREDITS: "not enough credits",
    FailureClass.RATE_LIMIT: "too many requests at once",
    FailureClass.PROVIDER: "trouble at Lamina or an AI provider",
    FailureClass.MODERATION: "stopped by a content check",
    FailureClass.UNKNOWN: "something else",
}

ACTION_WORDS: Mapping[Action, str] = {
    Action.REPLAY_UNCHANGED: "replay unchanged",
    Action.EDIT_FIRST: "edit the inputs, then replay",
    Action.WAIT: "wait, then replay",
    Action.DO_NOT_REPLAY: "do not replay",
    Action.TELL_ENGINEERING: "tell engineering",
}


@dataclass(frozen=True)
class Rule:
    """Errors that contain a text, whatever the case and the white space, are of this class.

    `app_id` None: of every app. `author` is who made the rule, `also` other wordings of the same, and `example` an
    error that a built-in rule is for.
    """

    text: str
    failure_class: FailureClass
    action: Action
    sentence: str
    app_id: str | None = None
    author: str | None = None
    also: tuple[str, ...] = ()
    example: str | None = None


@dataclass(frozen=True)
class Advice:
    """What a rule says of an error; `reason` names the rule and who made it."""

    failure_class: FailureClass
    action: Action
    sentence: str
    reason: str


def _rule(words: str, failure_class: FailureClass, action: Action, sentence: str, example: str) -> Rule:
    first, *others = words.split("|")
    return Rule(first, failure_class, action, sentence, also=tuple(others), example=example)


_ONCE_MORE = "Something on our side did not work this time. The same request can simply be tried again."
_LATER = "A service that we rely on is very busy or not reachable right now. Please try again a little later."
_REWORD = (
    "The automatic content checks did not let this request through. Please describe it in another way and try again."
)
_OURS = "This could not be done because of our own set-up, not because of anything in your request. We are sorry."

BUILT_IN: tuple[Rule, ...] = (  # what names its cause most exactly comes first
    _rule(
        "says that it never started",
        FailureClass.UNKNOWN,
        Action.REPLAY_UNCHANGED,
        "This request was never started. It can be sent again as it is.",
        "Anna says that it never started.",
    ),
    _rule(
        "not download|not be downloaded|failed to download|unable to download|error while downloading|while downloading"
        "|could not fetch|failed to fetch|unable to fetch|invalid_image_url|failed to load image",
        FailureClass.MEDIA,
        Action.EDIT_FIRST,
        "We could not open the file that belongs to this request. "
        "Please check that its link opens for everyone, or send the file again.",
        'Could not download the file given for "Product Photo": the server answered 404',
    ),
    _rule(
        "invalid_media|must be an http(s) url|must be one http(s) url",
        FailureClass.MEDIA,
        Action.EDIT_FIRST,
        "A file is needed here as a web link, as a browser's address line shows it. Please check it and send it again.",
        '"Front": must be an http(s) URL',
    ),
    _rule(
        "unsupported image|unsupported file|unsupported media|unsupported format|unsupported video|unsupported audio"
        "|invalid image|not a valid image|not a valid video|cannot identify image|corrupt|could not decode"
        "|failed to decode|could not process image|invalid_image_format",
        FailureClass.MEDIA,
        Action.EDIT_FIRST,
        "The file opened, but its format cannot be used here. Please save it as PNG or JPEG, or MP4 for a video, "
        "and send it again.",
        "cannot identify image file <_io.BytesIO object at 0x7f3c>",
    ),
    _rule(
        "file too large|file is too large|image is too large|image too large|video is too large|payload too large"
        "|exceeds the maximum size|exceeds maximum size|maximum file size|exceeds 5 mb|request entity too large",
        FailureClass.MEDIA,
        Action.EDIT_FIRST,
        "The file is larger than can be used here. Please send a smaller version of it.",
        "image exceeds the maximum size of 5 MB: 7340032 bytes > 5242880 bytes",
    ),
    _rule(
        "image is too small|image too small|resolution too low|minimum resolution|image dimensions|video is too long"
        "|video too long|audio is too long|video duration|aspect ratio of the image",
        FailureClass.MEDIA,
        Action.EDIT_FIRST,
        "The size or length of the file does not suit what it is needed for. Please send another version of it.",
        "Image dimensions must be at least 300x300 pixels",
    ),
    _rule(
        "no face|face not detected|could not detect a face|face could not be detected|no person detected",
        FailureClass.MEDIA,
        Action.EDIT_FIRST,
        "No face could be made out in the picture. Please send one in which the face is large, bright and uncovered.",
        "No face detected in the input image",
    ),
    _rule(
        "sexual_minors|sexual/minors|child safety|csam",
        FailureClass.MODERATION,
        Action.DO_NOT_REPLAY,
        "The automatic content checks did not let this request through, and it cannot be run again.",
        "Request rejected: categories sexual/minors",
    ),
    _rule(
        "real people|real person|public figure|likeness|celebrity",
        FailureClass.MODERATION,
        Action.EDIT_FIRST,
        "The automatic content checks do not allow pictures of real people here. "
        "Please describe somebody without naming a person and try again.",
        "Request refused by content moderation: prompts may not depict real people (policy likeness-1)",
    ),
    _rule(
        "copyright|recitation|trademark",
        FailureClass.MODERATION,
        Action.EDIT_FIRST,
        "The automatic checks took this for something protected by somebody's rights. "
        "Please describe it without names of brands, characters or artists and try again.",
        "Generation stopped, finishReason: RECITATION",
    ),
    _rule(
        "moderation|moderated|safety review|safety system|safety filter|safety check|blocked by safety"
        "|prohibited_content|finishreason: safety|content policy|content_policy|content filter|content_filter|nsfw"
        "|prohibited content|sensitive content|responsible ai|usage policies|usage guidelines|inappropriate content",
        FailureClass.MODERATION,
        Action.EDIT_FIRST,
        _REWORD,
        "Your request was rejected as a result of our safety system (content_policy_violation)",
    ),
    _rule(
        "insufficient credit|not enough credit|out of credit|no credits left|insufficient_quota|your current quota"
        "|insufficient balance|insufficient funds|exhausted balance|payment required|billing",
        FailureClass.CREDITS,
        Action.WAIT,
        "Your request is fine, but an allowance on our side is used up for the moment. Please try again later.",
        "Insufficient credits: this app needs 12, the workspace has 3",
    ),
    _rule(
        "too many requests|rate limit|rate_limit|ratelimit|http 429|status 429|throttl|resource_exhausted"
        "|resource exhausted|quota exceeded|concurrency limit|concurrent requests|too many concurrent",
        FailureClass.RATE_LIMIT,
        Action.WAIT,
        "Your request is fine; there were just too many at the same time. Please try again in a few minutes.",
        "Too many requests from this IP, please try again in a minute",
    ),
    _rule(
        "missing_no_default|has no default and was not supplied|missing required|is a required property|field required",
        FailureClass.BAD_INPUT,
        Action.EDIT_FIRST,
        "A detail that is needed for this request is still missing. Please fill it in and send the request again.",
        '"Style": has no default and was not supplied',
    ),
    _rule(
        "unknown_parameter|unknown input|unknown parameter|unexpected keyword|extra inputs are not permitted",
        FailureClass.BAD_INPUT,
        Action.TELL_ENGINEERING,
        _OURS,
        '"Colour": unknown input',
    ),
    _rule(
        "invalid_option|invalid option|must be one of|is not one of",
        FailureClass.BAD_INPUT,
        Action.EDIT_FIRST,
        "One of the choices is not on offer here. Please pick one from the list and send the request again.",
        '"Location": invalid option "Moon". Must be one of: Studio, Urban, Park',
    ),
    _rule(
        "prompt is too long|prompt too long|context length|context_length|maximum context|maximum length"
        "|too many tokens|too many characters|string too long|does not fit the layout",
        FailureClass.BAD_INPUT,
        Action.EDIT_FIRST,
        "One of the texts is longer than there is room for. Please shorten it and send the request again.",
        "Headline does not fit the layout: 3 lines at most",
    ),
    _rule(
        "webhook url|webhook_invalid_url|request body|is required and must be an object",
        FailureClass.BAD_INPUT,
        Action.TELL_ENGINEERING,
        _OURS,
        "Invalid webhook URL: it must be http or https",
    ),
    _rule(
        "api key|auth_missing|auth_invalid|unauthorized|unauthorised|workspace scope|permission denied"
        "|http 401|http 403|forbidden",
        FailureClass.UNKNOWN,
        Action.TELL_ENGINEERING,
        _OURS,
        "Invalid API key",
    ),
    _rule(
        "quality check|quality control",
        FailureClass.PROVIDER,
        Action.REPLAY_UNCHANGED,
        "What was made was not good enough, so it was not kept. Trying the same request again may help.",
        "Generated image did not pass the quality check after 3 attempts: snow covers the product",
    ),
    _rule(
        "timed out|timeout|time-out|deadline exceeded|deadline_exceeded|did not answer within|http 504|took too long",
        FailureClass.PROVIDER,
        Action.REPLAY_UNCHANGED,
        "This took longer than it may, so it was stopped. The same request can simply be tried again.",
        'Image generation timed out: the provider "northlight-relight-2" did not answer within 90 s',
    ),
    _rule(
        "overloaded|unavailable|bad gateway|http 502|http 503|high demand|at capacity|no available workers|no capacity"
        "|out of memory|could not be reached|connection refused|connection reset|connection error|econnreset"
        "|did not answer|dashboard is stopping",
        FailureClass.PROVIDER,
        Action.WAIT,
        _LATER,
        "Overloaded: the model is experiencing high demand",
    ),
    _rule(
        "model not found|model_not_found|is deprecated|has been deprecated|no longer supported|model does not exist"
        "|decommissioned",
        FailureClass.PROVIDER,
        Action.TELL_ENGINEERING,
        "A service that this app used is no longer there. " + _OURS,
        "The model `sketch-1` has been deprecated",
    ),
    _rule(
        "internal server error|internal_error|internal error|unexpected error|something went wrong|unknown error"
        "|http 500|provider error|server_error|no output|no image was|empty response|prediction failed"
        "|generation failed|stopped unexpectedly|unhandled",
        FailureClass.PROVIDER,
        Action.REPLAY_UNCHANGED,
        _ONCE_MORE,
        "Internal server error",
    ),
    _rule(
        "app not found|execution not found|run not found",
        FailureClass.BAD_INPUT,
        Action.TELL_ENGINEERING,
        "What this request was meant for cannot be found any more. " + _OURS,
        "App not found",
    ),
    _rule(
        "invalid input|invalid_type|invalid_value|invalid setting|invalid value|invalid argument|invalid_request"
        "|invalid parameter|validation_error|validation error|could not read its settings|expected a text value|must be"
        "|invalid prompt|unprocessable",
        FailureClass.BAD_INPUT,
        Action.EDIT_FIRST,
        "One of the details cannot be used as it stands. Please look through them and send the request again.",
        'Node "Scene" could not read its settings: number of props must be between 0 and 6',
    ),
)

_UNKNOWN = "This did not work out, and we do not know why yet. Sending the same request again may not help."
_SILENT = "This did not work out, and no reason was given for it. Sending the same request again may not help."


def advise(app_id: str, error_text: str | None, extra: Sequence[Rule]) -> Advice:
    """Return what the first fitting rule says: of `extra` in the order given, then of the built-in ones."""
    text = _fold((error_text or "")[:READ_LENGTH])
    for rules, maker in ((extra, "added here"), (BUILT_IN, "built in")):
        for rule in rules:
            if rule.app_id in {None, app_id} and (words := _find(rule, text)):
                made = f"added by {rule.author}" if rule.author else maker
                reason = f"{made}: the error contains “{words}”"
                return Advice(rule.failure_class, rule.action, rule.sentence, reason)
    sentence, reason = (_UNKNOWN, "no rule knows this error") if text else (_SILENT, "Lamina gave no reason")
    return Advice(FailureClass.UNKNOWN, Action.TELL_ENGINEERING, sentence, reason)


def check_rule(rule: Rule) -> None:
    """Raise errors.OperationRefused where a rule's text to find or its sentence cannot serve."""
    text, sentence = rule.text.strip(), rule.sentence.strip()
    if not text:
        raise errors.OperationRefused("Type the words of the error that the rule is for.")
    if len(text) < SHORTEST_TEXT:
        raise errors.OperationRefused(f"“{text}” is in too many errors: a rule needs at least {SHORTEST_TEXT} signs.")
    if len(text) > LONGEST_TEXT:
        raise errors.OperationRefused(f"The words to find are {len(text)} signs long; {LONGEST_TEXT} are the most.")
    if not sentence:
        raise errors.OperationRefused("Type the sentence that support can send to the end user.")
    if len(sentence) > LONGEST_SENTENCE:
        raise errors.OperationRefused(f"The sentence is {len(sentence)} signs long; {LONGEST_SENTENCE} are the most.")
    if not " ".join(f"{text} {sentence}".split()).isprintable():
        raise errors.OperationRefused("The rule holds signs that cannot be shown. Type it anew instead of pasting it.")


def _find(rule: Rule, folded: str) -> str | None:
    return next((words for words in _fold_all(rule.text, rule.also) if words and words in folded), None)


@lru_cache(maxsize=1024)
def _fold_all(first: str, others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_fold(text) for text in (first, *others))


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
