"""How a receiver does it right: two complete ones, and how other frameworks give the raw body."""

from pathlib import Path

_SOURCES = Path(__file__).parent / "receivers"

RECEIVERS: dict[str, str] = {
    "Python": (_SOURCES / "receiver.py.txt").read_text(),
    "Node": (_SOURCES / "receiver.mjs.txt").read_text(),
}

# In Markdown. Each says where the bytes are, and where it matters what takes them away before.
FRAMEWORKS: tuple[tuple[str, str], ...] = (
    (
        "Express",
        "Put `express.raw({ type: '*/*' })` on this route, before any `express.json()`; `req.body` is then a Buffer.",
    ),
    ("Next.js, app router", "`Buffer.from(await request.arrayBuffer())` in the route handler; not `request.json()`."),
    (
        "Next.js, pages router",
        "`export const config = { api: { bodyParser: false } }`, then collect the chunks of `for await (… of req)`.",
    ),
    (
        "NestJS",
        "`NestFactory.create(AppModule, { rawBody: true })`, then `req.rawBody` of a `RawBodyRequest`; it needs the "
        "built-in body parser.",
    ),
    (
        "Fastify",
        "In a plugin of its own for this route: `addContentTypeParser('application/json', { parseAs: 'buffer' }, "
        "(req, body, done) => done(null, body))`; `request.body` is then a Buffer.",
    ),
    (
        "Koa",
        "Collect the chunks of `for await (… of ctx.req)` on this route, before any body parser; `rawBody` of "
        "koa-bodyparser is text, no longer the bytes.",
    ),
    ("Hono, Cloudflare Workers", "`await c.req.arrayBuffer()`; in a bare Worker `await request.arrayBuffer()`."),
    (
        "AWS Lambda",
        "`Buffer.from(event.body, event.isBase64Encoded ? 'base64' : 'utf8')`; look headers up in any case, REST APIs "
        "keep their spelling and HTTP APIs write them small.",
    ),
    ("Flask", "`request.get_data()`, before anything reads `request.form` or the stream."),
    (
        "Django, DRF",
        "`request.body`, before anything reads `request.POST` or, in DRF, `request.data`: afterwards it raises "
        "`RawPostDataException`.",
    ),
    ("FastAPI", "`await request.body()` of the `Request`; take no model as a parameter and write it out again."),
    ("aiohttp", "`await request.read()`; not `request.json()`."),
    (
        "Go net/http",
        "`io.ReadAll(http.MaxBytesReader(w, r.Body, 10<<20))` once, then `json.Unmarshal` of the same bytes; a "
        "`json.Decoder` on `r.Body` uses them up.",
    ),
    ("Rails", "`request.raw_post`; not `params`. Put `skip_forgery_protection` into this controller."),
    (
        "Sinatra",
        "`request.body.read` before anything reads `params`; with Rack 3 `rewind` needs `Rack::RewindableInput`.",
    ),
    ("Laravel", "`$request->getContent()`; not `$request->all()`. Except the route from the check for CSRF tokens."),
    ("Symfony", "`$request->getContent()`; not `$request->toArray()`."),
    ("Plain PHP", "`file_get_contents('php://input')`; not `$_POST`, which stays empty for JSON."),
    ("Spring", "A parameter `@RequestBody byte[] body`; not a class, which Jackson would fill and write out again."),
    (
        "ASP.NET Core",
        "`await Request.Body.CopyToAsync(stream)` into a `MemoryStream`; call `Request.EnableBuffering()` before if "
        "something reads the body as well, and set `Position = 0` between the two.",
    ),
    (
        "Phoenix",
        "A `:body_reader` of `Plug.Parsers` that calls `Plug.Conn.read_body/2` and keeps the bytes in "
        "`conn.assigns`: after the parsers the body is gone.",
    ),
)
