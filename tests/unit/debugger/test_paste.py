"""Pasted material of every kind, written by other programs, read back to the headers and the very bytes."""

import base64
import http.client
import json
import pprint
import shlex
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lamina_core import errors, signing
from lamina_core.debugger.paste.reader import read_pasted
from lamina_core.debugger.paste.shells import split_bash
from lamina_core.debugger.records import Specimen
from lamina_core.signing import SigningKey

KEY = SigningKey.from_seed("test-key", bytes(range(32)))
TIMESTAMP = "1773478800"
URL = "https://example.com/webhooks/lamina?start=t-1&x=2"

BODIES = {
    "compact": '{"data":{"executionId":"e-1","status":"completed","outputs":[]}}',
    "quotes": '{"a":"It\'s \\"quoted\\", `ticked` and \'single\'","b":"${HOME} $5 $(id) !"}',
    "backslashes": '{"path":"C:\\\\new\\\\table","line":"one\\ntwo\\\\n","end":"\\\\"}',
    "unicode": '{"name":"Zoë 日本語 😀 \u2028","e":"\\u00e9\\ud83d\\ude00"}',
    "pretty": '{\n  "data": {\n    "executionId": "e-1",\n    "n": 1.0\n  }\n}\n',
    "percent": '{"u":"https://example.com/?a=1&b=%20c%2F^d","p":"100%","c":"^\\"^"}',
    "headers": '{"headers":{"a":"b"},"body":"Body: x","curl":"curl -H \'a: b\'","data":[1e3,-0,12345678901234567890]}',
}


def _headers(body: str) -> list[tuple[str, str]]:
    return [
        ("Host", "example.com"),
        ("User-Agent", 'Lamina/1.0 (it\'s; "here")'),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body.encode()))),
        (signing.SIGNATURE_HEADER, KEY.sign(TIMESTAMP, body.encode())),
        (signing.TIMESTAMP_HEADER, TIMESTAMP),
        (signing.REQUEST_ID_HEADER, "e-1"),
        (signing.USER_ID_HEADER, "u-1"),
    ]


def _lower(body: str) -> dict[str, str]:
    return {name.lower(): value for name, value in _headers(body)}


def _verify(specimen: Specimen) -> None:
    signature, _ = signing.check_headers(specimen.signature, specimen.timestamp)
    assert signing.find_key([KEY.public()], signature, specimen.timestamp, specimen.body).key_id == "test-key"


# Raw HTTP


def _raw(body: str, line_end: str = "\r\n", version: str = "HTTP/1.1") -> str:
    head = [f"POST /webhooks/lamina {version}", *(f"{name}: {value}" for name, value in _headers(body))]
    return line_end.join(head) + line_end * 2 + body


def _http2(body: str) -> str:
    pseudo = [":method: POST", ":scheme: https", ":authority: example.com", ":path: /hook"]
    return "\n".join([*pseudo, *(f"{name}: {value}" for name, value in _lower(body).items())]) + "\n\n" + body


def _folded(body: str) -> str:
    return _raw(body).replace("(it's; ", "(it's;\r\n\t ")


# Curl


def _curl(body: str, data: str = "--data-raw", quote: Callable[[str], str] = shlex.quote) -> str:
    headers = " \\\n  ".join(f"-H {quote(f'{name}: {value}')}" for name, value in _headers(body))
    return f"curl -sS -X POST {quote(URL)} \\\n  {headers} \\\n  {data} {quote(body)} --compressed\n"


def _postman(body: str) -> str:
    lines = [f"--header {shlex.quote(f'{name}: {value}')}" for name, value in _headers(body)]
    return " \\\n".join([f"curl --location {shlex.quote(URL)}", *lines, f"--data {shlex.quote(body)}"])


def _insomnia(body: str) -> str:
    lines = [f"  --header {shlex.quote(f'{name}: {value}')}" for name, value in _headers(body)]
    return " \\\n".join(["curl --request POST", f"  --url {URL}", *lines, f"  --data {shlex.quote(body)}"])


def _chrome_bash(text: str) -> str:
    """Quote as Chrome's "Copy as cURL (bash)" does."""
    if not any(ord(letter) < 32 or letter in "!'" or 127 <= ord(letter) < 160 for letter in text):
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return "$'" + "".join(f"\\u{ord(one):04x}" if ord(one) < 32 or one == "!" else one for one in escaped) + "'"


def _old_browser(text: str) -> str:
    """Quote as older browsers do: every unit beyond ASCII as an escape, emoji as two halves."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    units = [escaped[at : at + 1] for at in range(len(escaped))]
    return "$'" + "".join(one if one < "\x7f" else json.dumps(one)[1:-1] for one in units) + "'"


def _double(text: str) -> str:
    for letter in '\\"$`':
        text = text.replace(letter, "\\" + letter)
    return f'"{text}"'


def _chrome_cmd(text: str) -> str:
    """Quote as Chrome's "Copy as cURL (cmd)" does."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    plain = "_-:=+~'/.',?;()*` \t\n\r"
    carets = "".join(one if (one.isascii() and one.isalnum()) or one in plain else f"^{one}" for one in escaped)
    broken = "".join(
        f"{one}^" if one == "%" and (carets[at + 1 : at + 2].isalnum() or carets[at + 1 : at + 2] == "_") else one
        for at, one in enumerate(carets)
    )
    return f'^"{broken}^"'.replace("\n", "^\n\n")


def _old_cmd(text: str) -> str:
    return '"' + text.replace('"', '""').replace("%", '"%"').replace("\\", "\\\\").replace("\n", '"^\n"') + '"'


def _cmd(body: str, quote: Callable[[str], str]) -> str:
    headers = " ^\n  ".join(f"-H {quote(f'{name}: {value}')}" for name, value in _headers(body))
    return f"curl {quote(URL)} ^\n  {headers} ^\n  --data-raw {quote(body)}"


def _in_powershell(text: str) -> str:
    text = text.replace("`", "``").replace('"', '`"').replace("$", "`$")
    units = text.encode("utf-16-be")
    codes = [units[at] << 8 | units[at + 1] for at in range(0, len(units), 2)]
    return '"' + "".join(chr(code) if 32 <= code < 127 else f"$([char]{code})" for code in codes) + '"'


def _powershell(body: str) -> str:
    """Write as the browsers' "Copy as PowerShell" does."""
    headers = "\n  ".join(
        f"{_in_powershell(name)}={_in_powershell(value)}" for name, value in _headers(body) if name != "Content-Type"
    )
    return (
        "$session = New-Object Microsoft.PowerShell.Commands.WebRequestSession\n"
        '$session.UserAgent = "Mozilla/5.0"\n'
        f'Invoke-WebRequest -UseBasicParsing -Uri "{URL}" `\n-Method "POST" `\n-WebSession $session `\n'
        f'-Headers @{{\n{headers}\n}} `\n-ContentType "application/json" `\n'
        f"-Body ([System.Text.Encoding]::UTF8.GetBytes({_in_powershell(body)}))"
    )


def _powershell_script(body: str) -> str:
    headers = "; ".join(f"'{name}' = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in _headers(body))
    quoted = body.replace("'", "''")
    return (
        f"$headers = @{{ {headers} }}\n$body = '{quoted}'\n"
        f"Invoke-RestMethod -Method Post -Uri '{URL}' -Headers $headers -Body $body\n"
    )


def _curl_in_powershell(body: str) -> str:
    lines = [f"-H '{f'{name}: {value}'.replace(chr(39), chr(39) * 2)}'" for name, value in _headers(body)]
    quoted = body.replace("'", "''")
    return " `\n  ".join([f"curl.exe '{URL}'", *lines, f"--data-raw '{quoted}'"])


# Records


def _har(body: str) -> dict:
    request = {
        "method": "POST",
        "url": URL,
        "httpVersion": "h2",
        "headers": [{"name": name, "value": value} for name, value in _headers(body)],
        "queryString": [{"name": "start", "value": "t-1"}],
        "postData": {"mimeType": "application/json", "text": body},
    }
    answer = {"status": 200, "headers": [{"name": "content-type", "value": "text/html"}], "content": {"text": "<p>"}}
    return {"startedDateTime": "2026-03-14T09:00:02.500Z", "request": request, "response": answer, "cache": {}}


def _har_file(body: str) -> str:
    page = {"request": {"method": "GET", "headers": [{"name": "Accept", "value": "*/*"}]}, "response": {"headers": []}}
    return json.dumps({"log": {"version": "1.2", "entries": [page, _har(body), page]}}, indent=2, ensure_ascii=False)


def _rest_event(body: str) -> dict:
    return {
        "resource": "/hook",
        "httpMethod": "POST",
        "headers": dict(_headers(body)),
        "multiValueHeaders": {name: [value] for name, value in _headers(body)},
        "queryStringParameters": None,
        "requestContext": {"httpMethod": "POST", "requestTimeEpoch": 1773478801000, "identity": {"userAgent": "x"}},
        "body": body,
        "isBase64Encoded": False,
    }


def _encoded_event(body: str, context: dict) -> dict:
    encoded = base64.b64encode(body.encode()).decode()
    return {"version": "2.0", "headers": _lower(body), "requestContext": context, "body": encoded} | {
        "isBase64Encoded": True
    }


def _alb_event(body: str) -> dict:
    headers = {name: [value] for name, value in _lower(body).items()}
    return {"requestContext": {"elb": {"targetGroupArn": "arn"}}, "multiValueHeaders": headers, "body": body}


def _edge_event(body: str) -> dict:
    headers = {name.lower(): [{"key": name, "value": value}] for name, value in _headers(body)}
    data = base64.b64encode(body.encode()).decode()
    sent = {"inputTruncated": False, "action": "read-only", "encoding": "base64", "data": data}
    return {"Records": [{"cf": {"request": {"headers": headers, "method": "POST", "body": sent}}}]}


def _ecs(body: str) -> str:
    request = {"method": "POST", "headers": _lower(body), "body": {"content": body, "bytes": len(body)}}
    return json.dumps({"@timestamp": "2026-03-14T09:00:02Z", "log.level": "info", "http": {"request": request}})


def _asgi(body: str, method: Callable[[object], str] = repr) -> str:
    headers = [(name.lower().encode(), value.encode()) for name, value in _headers(body)]
    scope = {"type": "http", "asgi": {"version": "3.0"}, "headers": headers, "client": ("203.0.113.7", 4711)}
    message = {"type": "http.request", "body": body.encode(), "more_body": False}
    return f"scope: {method(scope)}\nmessage: {method(message)}\n"


def _wsgi(body: str) -> str:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/hook",
        "wsgi.input": "@",
        "wsgi.errors": "#",
        "wsgi.version": (1, 0),
        "CONTENT_LENGTH": str(len(body.encode())),
    }
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in _headers(body)[4:]}
    shown = repr(environ).replace("'@'", "<gunicorn.http.body.Body object at 0x7f3a>")
    return shown.replace("'#'", "<_io.TextIOWrapper name='<stderr>' mode='w'>") + f"\nbody: {body.encode()!r}"


def _flat(body: str) -> str:
    return json.dumps(
        {"level": 30, **{f"req.headers.{name}": value for name, value in _lower(body).items()}} | {"body": body}
    )


def _wrapped(body: str) -> str:
    inner = json.dumps({"msg": "received", "headers": _lower(body), "rawBody": body, "body": json.loads(body)})
    return json.dumps({"log": inner + "\n", "stream": "stdout", "time": "2026-03-14T09:00:01Z"})


def _fetch(body: str) -> str:
    """Write as the browsers' "Copy as fetch" does."""
    options = {"headers": _lower(body), "referrer": "https://example.com/", "body": body, "method": "POST"}
    return f'fetch("{URL}", {json.dumps(options, indent=2, ensure_ascii=False)});'


def _hand_written_fetch(body: str) -> str:
    def single(text: str) -> str:
        return (
            "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\u2028", "\\u2028") + "'"
        )

    headers = ",\n      ".join(f"{single(name)}: {single(value)}" for name, value in _headers(body))
    template = body.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\x24{")
    return (
        f"const response = await fetch(`{URL}`, {{\n    method: 'POST', // as it came\n"
        f"    headers: new Headers({{\n      {headers},\n    }}),\n    body: `{template}`,\n}});\n"
    )


FORMS: dict[str, Callable[[str], str]] = {
    "raw HTTP": _raw,
    "raw HTTP, LF": lambda body: _raw(body, "\n"),
    "raw HTTP/2 as text": lambda body: _raw(body, "\n", "HTTP/2"),
    "pseudo headers": _http2,
    "folded header": _folded,
    "headers without a request line": lambda body: _raw(body).partition("\r\n")[2],
    "in a code fence": lambda body: f"```http\n{_raw(body, chr(10))}\n```\n",
    "curl": _curl,
    "curl --data-binary": lambda body: "$ " + _curl(body, "--data-binary"),
    "curl -d": lambda body: _curl(body, "-d"),
    "curl --json": lambda body: _curl(body, "--json"),
    "curl in double quotes": lambda body: _curl(body, quote=_double),
    "curl from Chrome": lambda body: _curl(body, quote=_chrome_bash),
    "curl from an old browser": lambda body: _curl(body, quote=_old_browser),
    "curl from Chrome for cmd": lambda body: _cmd(body, _chrome_cmd),
    "curl from an old browser for cmd": lambda body: _cmd(body, _old_cmd),
    "curl from Postman": _postman,
    "curl from Insomnia": _insomnia,
    "curl with a here-document": lambda body: _curl("", "--data-binary @- -H").replace(
        "--compressed\n", f"<<'EOF'\n{body}EOF\n"
    ),
    "curl.exe in PowerShell": _curl_in_powershell,
    "PowerShell from a browser": _powershell,
    "PowerShell script": _powershell_script,
    "HAR file": _har_file,
    "HAR entry": lambda body: json.dumps(_har(body)),
    "HAR request": lambda body: json.dumps(_har(body)["request"], indent=1),
    "JSON log line": lambda body: json.dumps({"level": "info", "headers": _lower(body), "body": body}),
    "JSON log line, both forms": lambda body: json.dumps(
        {"req": {"headers": _lower(body)}, "body": {"a": 1}, "rawBody": body}
    ),
    "JSON log line with a prefix": lambda body: (
        "2026-03-14T09:00:00.123Z [web.1] INFO (app.py:12) it's here: "
        + json.dumps({"request": {"headers": _lower(body)}, "payload": body})
    ),
    "JSON log, pairs": lambda body: json.dumps({"http.request.headers": _headers(body), "http.request.body": body}),
    "JSON log, keys and values": lambda body: json.dumps(
        {"headers": [{"key": name, "value": value} for name, value in _headers(body)], "data": body}
    ),
    "JSON log, Go's headers": lambda body: json.dumps(
        {"Header": {name: [value] for name, value in _headers(body)}, "Body": body}
    ),
    "JSON log, Node's rawHeaders": lambda body: json.dumps(
        {"rawHeaders": [part for pair in _headers(body) for part in pair], "body": body}
    ),
    "JSON log, flat names": _flat,
    "JSON log inside of JSON": _wrapped,
    "ECS log": _ecs,
    "smee.io": lambda body: json.dumps({**_lower(body), "rawBody": body, "query": {}, "timestamp": 1773478801000}),
    "webhook.site": lambda body: json.dumps(
        {"uuid": "1", "content": body, "headers": {k: [v] for k, v in _lower(body).items()}}
    ),
    "Python dict": lambda body: repr({"headers": dict(_headers(body)), "body": body}),
    "Python bytes": lambda body: f"headers={dict(_headers(body))!r} body={body.encode()!r}",
    "Python, laid out": lambda body: pprint.pformat({"headers": dict(_headers(body)), "body": body.encode()}, width=60),
    "Werkzeug": lambda body: f"EnvironHeaders({_headers(body)!r})\n{body.encode()!r}",
    "Flask, printed": lambda body: "".join(f"{n}: {v}\r\n" for n, v in _headers(body)) + f"\r\n\n{body.encode()!r}\n",
    "Lamina's own listener": lambda body: json.dumps(
        {"sequence": 1, "verified": False, "headers": _lower(body), "payload": json.loads(body), "body": body}
    ),
    "Starlette": lambda body: f"Headers({_lower(body)!r}) {body.encode()!r}",
    "Starlette, raw": lambda body: (
        f"Headers(raw={[(n.encode(), v.encode()) for n, v in _headers(body)]!r})\nbody: {body!r}"
    ),
    "aiohttp": lambda body: (
        f"<CIMultiDictProxy({', '.join(f'{n!r}: {v!r}' for n, v in _headers(body))})>\n{body.encode()!r}"
    ),
    "ASGI": _asgi,
    "ASGI, laid out": lambda body: _asgi(body, pprint.pformat),
    "WSGI": _wsgi,
    "headers as name = value": lambda body: "".join(f"{n} = {v}\n" for n, v in _headers(body)) + "\n" + body,
    "headers as PHP prints them": lambda body: (
        "Array\n(\n" + "".join(f"    [{n}] => {v}\n" for n, v in _headers(body)) + ")\nbody: " + body
    ),
    "headers as browsers copy them": lambda body: (
        "".join(f"{n}:\n{v}\n" for n, v in _lower(body).items()) + "\n" + body
    ),
    "lines of a dict": lambda body: (
        "".join(f"    {n!r}: {v!r},\n" for n, v in _headers(body)) + f"body = {body.encode()!r}"
    ),
    "labelled lines": lambda body: "".join(f"{n}: {v}\n" for n, v in _headers(body)) + "Body:\n" + body,
    "API Gateway REST": lambda body: json.dumps(_rest_event(body)),
    "API Gateway REST in Python": lambda body: repr(_rest_event(body)),
    "ALB": lambda body: json.dumps(_alb_event(body)),
    "fetch from a browser": _fetch,
    "fetch by hand": _hand_written_fetch,
    "axios": lambda body: f"axios.post('{URL}', {json.dumps(body)}, {{ headers: {json.dumps(_lower(body))} }})",
    "requests": lambda body: f"requests.post({URL!r}, headers={_lower(body)!r}, data={body.encode()!r})",
}
EXACT_FORMS: dict[str, Callable[[str], str]] = {
    "API Gateway HTTP": lambda body: json.dumps(
        _encoded_event(body, {"http": {"method": "POST"}, "timeEpoch": 1773478802500})
    ),
    "API Gateway HTTP in Python": lambda body: repr(_encoded_event(body, {"http": {"method": "POST"}})),
    "function URL": lambda body: json.dumps(_encoded_event(body, {"domainName": "abc.lambda-url.eu-west-1.on.aws"})),
    "Lambda@Edge": lambda body: json.dumps(_edge_event(body)),
    "log line in base64": lambda body: json.dumps(
        {"headers": _lower(body), "bodyBase64": base64.b64encode(body.encode()).decode()}
    ),
    "HAR in base64": lambda body: json.dumps(
        {"headers": _har(body)["request"]["headers"]}
        | {"postData": {"mimeType": "x", "text": base64.b64encode(body.encode()).decode(), "encoding": "base64"}}
    ),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("form", FORMS)
def test_a_signed_webhook_still_verifies_out_of_every_form(form, body):
    if form == "curl with a here-document" and not body.endswith("\n"):
        body += "\n"  # as every here-document ends
    written = FORMS[form](body)
    if form == "curl with a here-document":
        written = written.replace(_lower("")["x-lamina-webhook-signature"], _lower(body)["x-lamina-webhook-signature"])
    specimen = read_pasted(written)
    assert specimen.body == body.encode()
    _verify(specimen)
    assert specimen.request_id == "e-1"
    assert not specimen.exact


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("form", EXACT_FORMS)
def test_a_body_in_base64_is_exact(form, body):
    specimen = read_pasted(EXACT_FORMS[form](body))
    assert specimen.body == body.encode()
    _verify(specimen)
    assert specimen.exact
    assert any("base64" in remark for remark in specimen.remarks)


# Every header stays, in its order and spelling


@pytest.mark.parametrize(
    "form",
    [
        "raw HTTP",
        "folded header",
        "curl",
        "HAR file",
        "JSON log, pairs",
        "Werkzeug",
        "API Gateway REST",
        "PowerShell script",
        "curl from Chrome for cmd",
        "JSON log, Node's rawHeaders",
        "lines of a dict",
        "Python bytes",
    ],
)
def test_all_headers_are_kept_as_they_are(form):
    body = BODIES["compact"]
    assert list(read_pasted(FORMS[form](body)).headers) == _headers(body)


def test_headers_that_are_there_twice_are_kept_and_the_first_counts():
    text = "POST / HTTP/1.1\nX-Lamina-Webhook-Timestamp: 1\nx-lamina-webhook-timestamp: 2\n\n{}"
    specimen = read_pasted(text)
    assert [value for _, value in specimen.headers] == ["1", "2"]
    assert specimen.timestamp == "1"


def test_the_variables_of_a_cgi_environment_become_headers_again():
    assert ("X-Lamina-Webhook-Timestamp", TIMESTAMP) in read_pasted(_wsgi("{}")).headers
    assert [name for name, _ in read_pasted(_wsgi("{}")).headers] == [
        *("X-Lamina-Webhook-Signature", "X-Lamina-Webhook-Timestamp", "X-Lamina-Webhook-Request-Id"),
        *("X-Lamina-Webhook-User-Id", "Content-Length"),
    ]


def test_renamed_headers_are_no_reason_to_refuse():
    specimen = read_pasted(_raw("{}").replace("X-Lamina-Webhook-", "X-Forwarded-Lamina-"))
    assert specimen.signature is None
    assert ("X-Forwarded-Lamina-Timestamp", TIMESTAMP) in specimen.headers


# What is not exact, not complete, or several


def test_a_file_with_a_raw_request_is_exact_whatever_its_bytes_are():
    body = bytes(range(256)) + b"\r\n\r\n\xff"
    specimen = read_pasted(_raw("").encode() + body)
    assert specimen.body == body
    assert specimen.exact
    assert specimen.source == "a raw HTTP request"


def test_content_length_and_chunks_are_left_to_the_diagnosis():
    raw = (
        b"POST /h HTTP/1.1\nHost: example.com\nContent-Length: 3\nTransfer-Encoding: chunked\n\n5\r\nhello\r\n0\r\n\r\n"
    )
    specimen = read_pasted(raw)
    assert specimen.body == b"5\r\nhello\r\n0\r\n\r\n"
    assert ("Content-Length", "3") in specimen.headers


def test_files_in_the_encodings_of_windows_are_read_but_are_not_exact():
    for raw in (_raw("{}").encode("utf-16"), json.dumps({"headers": _lower("{}"), "body": "{}"}).encode("utf-8-sig")):
        specimen = read_pasted(raw)
        _verify(specimen)
        assert not specimen.exact


def test_a_body_that_was_printed_as_an_object_is_written_compactly_with_its_numbers_and_a_remark():
    shown = json.dumps(
        {"headers": _lower("x"), "body": {"é": [1.0, True, None, "a/b"], "n": 12345678901234567890}}, indent=2
    )
    specimen = read_pasted(shown.replace("1.0", "1.00e+2"))
    assert specimen.body == '{"é":[1.00e+2,true,null,"a/b"],"n":12345678901234567890}'.encode()
    assert any("bytes that were sent are lost" in remark for remark in specimen.remarks)


def test_json_text_behind_a_label_stays_as_it_is():
    specimen = read_pasted(f'headers: {_lower("x")!r}\nbody: {{"a":  1.0}}\n')
    assert specimen.body == b'{"a":  1.0}'
    assert not any("lost" in remark for remark in specimen.remarks)


def test_of_several_requests_the_last_with_laminas_headers_is_taken():
    records = [{"headers": _lower(body), "body": body} for body in ('{"n":1}', '{"n":2}')]
    records.append({"headers": {"host": "example.com", "accept": "*/*"}, "body": "other"})
    specimen = read_pasted("\n".join(map(json.dumps, records)))
    assert specimen.body == b'{"n":2}'
    assert any("2 requests" in remark for remark in specimen.remarks)


def test_the_body_of_another_request_is_never_taken():
    first, second = {"headers": _lower("a"), "body": "a"}, {"headers": _lower("b")}
    specimen = read_pasted(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    assert specimen.body == b""
    assert specimen.signature == _lower("b")["x-lamina-webhook-signature"]
    assert any("No body" in remark for remark in specimen.remarks)


def test_of_several_curl_commands_the_last_with_laminas_headers_is_taken():
    commands = [
        "curl 'https://example.com/a' -H 'Accept: */*'",
        _curl('{"n":1}'),
        _curl('{"n":2}'),
        "curl -H 'A: b' x.example",
    ]
    specimen = read_pasted(" ;\n".join(commands))
    assert specimen.body == b'{"n":2}'
    assert any("2 curl commands" in remark for remark in specimen.remarks)


def test_text_is_preferred_to_an_object_that_was_made_of_it():
    text = '{"a":  1.0}'
    specimen = read_pasted(json.dumps({"headers": _lower(text), "body": json.loads(text), "content": text}))
    assert specimen.body == text.encode()


def test_what_holds_the_headers_is_not_the_body():
    specimen = read_pasted(json.dumps({"data": {"headers": _lower("")}}))
    assert specimen.body == b""
    assert "No body was found beside the headers." in specimen.remarks


def test_the_headers_of_an_answer_are_never_taken():
    entry = _har("{}") | {"response": {"headers": [{"name": "X-Lamina-Webhook-Timestamp", "value": "9"}]}}
    specimen = read_pasted(json.dumps(entry))
    assert specimen.timestamp == TIMESTAMP
    assert len(specimen.remarks) == 1  # when it was received; not that there are several


def test_a_cgi_environment_inside_of_a_record_is_one_request():
    specimen = read_pasted(repr({"META": {"HTTP_HOST": "a", "HTTP_X_LAMINA_WEBHOOK_TIMESTAMP": "7"}, "body": b"b"}))
    assert (specimen.timestamp, specimen.body, specimen.remarks) == ("7", b"b", ())


def test_lines_around_headers_are_no_headers_and_no_body():
    specimen = read_pasted("Received:\n\nX-Other = 1\nx-empty:\nx-lamina-webhook-timestamp:\n7\n\nbody\n")
    assert specimen.headers == (("X-Other", "1"), ("x-empty", ""), ("x-lamina-webhook-timestamp", "7"))
    assert specimen.body == b"body\n"


@pytest.mark.parametrize("form", ["HAR file", "ECS log", "API Gateway REST", "API Gateway HTTP"])
def test_the_moment_of_receipt_is_read_where_a_record_has_it(form):
    moment = read_pasted((FORMS | EXACT_FORMS)[form](BODIES["compact"])).received_at
    expected = {
        "HAR file": datetime(2026, 3, 14, 9, 0, 2, 500_000, tzinfo=UTC),
        "API Gateway REST": datetime(2026, 3, 14, 9, 0, 1, tzinfo=UTC),
        "API Gateway HTTP": datetime(2026, 3, 14, 9, 0, 2, 500_000, tzinfo=UTC),
    }
    assert moment == expected.get(form)


@pytest.mark.parametrize(
    ("form", "source"),
    [
        ("raw HTTP", "a raw HTTP request"),
        ("curl from Chrome", "a curl command"),
        ("PowerShell script", "a PowerShell command"),
        ("HAR file", "a HAR file"),
        ("JSON log line with a prefix", "a log line in JSON"),
        ("API Gateway REST", "an event of AWS API Gateway (REST API)"),
        ("ALB", "an event of an AWS load balancer"),
        ("API Gateway HTTP", "an event of AWS API Gateway (HTTP API)"),
        ("function URL", "an event of an AWS Lambda function URL"),
        ("Python dict", "a dump of Python"),
        ("fetch by hand", "a call of fetch()"),
        ("headers as name = value", "lines of headers"),
    ],
)
def test_what_it_was_read_from_is_said(form, source):
    assert read_pasted((FORMS | EXACT_FORMS)[form](BODIES["compact"])).source == source


# Curl against curl and bash


def test_a_variable_of_the_shell_is_left_with_a_remark():
    specimen = read_pasted('curl -H "X-Lamina-Webhook-Signature: $SIG" -d "a${B}" https://example.com')
    assert specimen.signature == "$SIG"
    assert any("$SIG" in remark for remark in specimen.remarks)


DATA = [
    ["-d", "a=1", "-d", "b=2", "--data-raw", "@c"],
    ["--data-urlencode", "q=a b&c/é", "--data-urlencode", "=x y", "--data-urlencode", "plain~-._"],
    ["--json", '{"a":', "--json", "1}"],
    ["-da=1", "--data-binary", "x\r\ny\n"],
    ["-sd", "a\nb", "--data-ascii", "z"],
]


@pytest.mark.parametrize("data", DATA, ids=[str(at) for at in range(len(DATA))])
def test_a_body_is_put_together_as_curl_does_it(data):
    if not shutil.which("curl"):
        pytest.skip("no curl found")
    with socket.create_server(("127.0.0.1", 0)) as server:
        received: list[bytes] = []

        def answer() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as stream:
                stream.readline()
                headers = http.client.parse_headers(stream)
                received.append(stream.read(int(headers["Content-Length"])))
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        command = ["curl", "-sS", "--noproxy", "*", "-H", "Accept: x", *data, url]
        subprocess.run(command, check=True, timeout=20)
        thread.join(20)
    assert read_pasted(shlex.join(command)).body == received[0]


_PIECES = some.one_of(
    some.text("ab \\$`!\"'\n\té😀&;|#~*?{}", max_size=12).map(shlex.quote),
    some.text("ab $`!\"\\\n'é", max_size=12).map(_double),
    some.text("ab !\"'\\\né\x07", max_size=12).map(_chrome_bash),
    some.text("abc019=,:/.é-", min_size=1, max_size=8),
    some.sampled_from(
        [r"\ ", r"\'", r"\"", r"\\", "\\\n", r"$'\x41\101\e\t\q\?'", r"$'\xc3\xa9\u00e9\U1F600'", "'a'\"b\""]
    ),
)


@settings(deadline=None, max_examples=150)
@given(some.lists(some.lists(_PIECES, min_size=1, max_size=4).map("".join), min_size=1, max_size=5))
def test_words_are_split_as_bash_splits_them(words):
    line = " ".join(words)
    script = f"printf '%s\\0' curl {line}"
    shell = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert split_bash(f"curl {line}")[0].words == shell.stdout.split(b"\0")[:-1]


@settings(deadline=None, max_examples=60)
@given(some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_what_bash_itself_quotes_is_read_back(body):
    script = 'printf "curl https://example.com -H %q --data-raw %q" "$1" "$2"'
    environment = {"LC_ALL": "C.UTF-8"}
    quoted = subprocess.run(
        ["bash", "-c", script, "-", "Host: a b", body], capture_output=True, check=True, env=environment
    )
    specimen = read_pasted(quoted.stdout.decode())
    assert specimen.body == body.encode()


@given(some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80))
@pytest.mark.parametrize("quote", [shlex.quote, _double, _chrome_bash, _old_browser])
def test_any_body_comes_out_of_any_quoting(quote, body):
    assert read_pasted(_curl(body, quote=quote)).body == body.encode()


@given(some.text(some.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=80))
def test_any_body_comes_out_of_quoting_for_cmd(body):
    assert read_pasted(_cmd(body, _chrome_cmd)).body == body.encode()


@given(some.text(some.characters(exclude_categories=["Cs"]), max_size=80))
def test_any_body_comes_out_of_powershell(body):
    assert read_pasted(_powershell("x" + body)).body == b"x" + body.encode()


@given(some.binary(max_size=200), some.sampled_from([b"\r\n", b"\n"]))
def test_any_body_comes_out_of_raw_http_exactly(body, line_end):
    head = [b"POST /h HTTP/1.1", *(f"{name}: {value}".encode() for name, value in _headers(""))]
    specimen = read_pasted(line_end.join(head) + line_end * 2 + body)
    assert specimen.body == body
    assert list(specimen.headers) == _headers("")


_VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=10),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(_VALUES.filter(lambda value: isinstance(value, (dict, list)) and value), some.sampled_from([json.dumps, repr]))
def test_an_object_is_written_again_as_the_same_object(value, show):
    specimen = read_pasted(show({"headers": _lower("x"), "rawBody": value}))
    assert json.loads(specimen.body) == value


@given(some.binary(max_size=60), some.text(some.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_bytes_and_any_text_come_out_of_pythons_dumps(raw, text):
    assert read_pasted(repr({"headers": _lower("x"), "body": raw})).body == raw
    assert read_pasted(repr({"headers": _lower("x"), "body": text})).body == text.encode()


# Node's own dumps

NODE = r"""
const bodies = JSON.parse(process.argv[1]), headers = JSON.parse(process.argv[2]);
const {inspect} = require('util'), out = [];
for (const [at, b] of bodies.entries()) {
  const h = headers[at], bytes = Buffer.from(b), show = x => typeof x === 'string' ? x : inspect(x);
  const log = (...all) => all.map(show).join(' ');
  const whole = x => inspect(x, {maxArrayLength: null, maxStringLength: null});
  require('buffer').INSPECT_MAX_BYTES = 1e6;
  out.push([
    ['object', log({headers: h, body: b})],
    ['one line', inspect({req: {headers: h}, rawBody: b}, {breakLength: Infinity})],
    ['null prototype', log(Object.assign(Object.create(null), h)) + '\nbody: ' + inspect(b)],
    ['Headers', 'Headers: ' + log(new Headers(h)) + '\nBody: ' + JSON.stringify(b)],
    ['Map', log(new Map(Object.entries(h))) + ' ' + log(bytes)],
    ['Buffer', log({headers: h, body: bytes})],
    ['Uint8Array', whole({headers: h, body: new Uint8Array(bytes)})],
    ['ArrayBuffer', log({headers: h, body: new Uint8Array(bytes).buffer})],
    ['rawHeaders', log({rawHeaders: Object.entries(h).flat(), headers: '[Object]', body: b})],
    ['Buffer as JSON', JSON.stringify({headers: h, body: bytes})],
    ['IncomingMessage', log(Object.assign(Object.create({constructor: class IncomingMessage {}}),
        {_events: {a: undefined, f() {}}, [Symbol('s')]: 1, socket: {x: {y: {z: {}}}}, headers: h, rawBody: b}))],
  ]);
}
console.log(JSON.stringify(out));
"""


@pytest.fixture(scope="module")
def dumps() -> list[list[list[str]]]:
    if not shutil.which("node"):
        pytest.skip("no node found")
    bodies = list(BODIES.values())
    command = ["node", "-e", NODE, json.dumps(bodies), json.dumps([_lower(body) for body in bodies])]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True, timeout=30).stdout)


@pytest.mark.parametrize("at", range(len(BODIES)), ids=BODIES)
def test_what_node_prints_is_read_back(dumps, at):
    body = list(BODIES.values())[at]
    for name, text in dumps[at]:
        specimen = read_pasted(text)
        assert specimen.body == body.encode(), name
        _verify(specimen)


def test_a_buffer_that_node_cut_is_said_to_be_cut():
    specimen = read_pasted(f"{{ headers: {_lower('x')!r}, body: <Buffer 7b 22 ... 123 more bytes> }}")
    assert specimen.body == b'{"'
    assert any("left out its end" in remark for remark in specimen.remarks)


def test_a_string_that_node_cut_is_said_to_be_cut():
    specimen = read_pasted(f"{{ headers: {_lower('x')!r}, body: 'abc'... 9000 more characters }}")
    assert specimen.body == b"abc"
    assert any("left out its end" in remark for remark in specimen.remarks)


# Refusals say what it is, what is missing and what to do


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "nothing to read"),
        ("hello", "nothing that can be read"),
        ('{"data":{"executionId":"e-1"}}', "perhaps it is the body alone"),
        ("{'data': {'executionId': 'e-1'}}", "as Python prints it"),
        ('{"keys":[{"kty":"OKP","crv":"Ed25519","x":"abc"}]}', "field for keys"),
        ("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----", "field for keys"),
        ("HTTP/1.1 200 OK\nContent-Type: application/json\n\n{}", "response"),
        ("POST / HTTP/1.1\n\n{}", "without headers"),
        ("curl https://example.com -d '{}'", "without headers (-H)"),
        ("curl -H 'a: b' -d @body.json https://example.com", "takes its body from 'body.json'"),
        ("curl -H 'a: b' --data-binary @- https://example.com", "takes its body from '-'"),
        ("curl -H 'a: b' --data-urlencode x@f https://example.com", "encodes the content of a file"),
        ("curl -H 'a: b' -F file=@x https://example.com", "sends a form"),
        ("curl -H 'a: b' -T x https://example.com", "takes its content from a file"),
        ("curl -H 'a: b' -d '{\"a\":1", "single quote does not end"),
        ("fetch(url, options)", "there are no headers in it"),
        ("fetch('https://example.com', {headers: {'x-lamina-a': 'b'}, body: payload})", "'payload'"),
        ("fetch('https://example.com', {headers: {'x-lamina-a': 'b'}, body: JSON.stringify({a: b})})", "'b'"),
        ("fetch('https://example.com', {headers: {'x-a': `${b}`}})", "a template with ${...}"),
        ("{ headers: { host: 'a', 'content-type': 'b' }, body: { data: [Object] } }", "[Object]"),
        ("Invoke-WebRequest -Uri https://example.com -Body 'x'", "without headers"),
        ("Invoke-WebRequest -Headers @{'Host'='x'} -Body (Get-Content x.json)", "is not in the text"),
        ("x-lamina-webhook-signature", "mentions Lamina"),
        ("x" * 4_000_001, "4,000,001 characters"),
        (b"\x1f\x8b\x08\x00\xff\xfe", "neither a raw HTTP request nor text"),
    ],
)
def test_what_is_refused_is_refused_with_words(text, says):
    with pytest.raises(errors.PasteRefused) as refused:
        read_pasted(text)
    assert says in str(refused.value)
