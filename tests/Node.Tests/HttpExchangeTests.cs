using System.Globalization;
using System.Text;
using CsCheck;
using Eyrie.Node.Forwarding;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>When a request may be asked again: conversations of which it is known how they were made, in pieces cut anywhere.</summary>
public sealed class HttpExchangeTests
{
    /// <summary>A request and its answer.</summary>
    /// <param name="Repeatable">Whether the request may be asked again.</param>
    /// <param name="Followed">Whether what comes after its answer is followed still.</param>
    private sealed record Talk(string Request, bool Repeatable, string Answer, bool Followed);

    /// <summary>Bytes of one side, and for each what the server's end would be after it.</summary>
    private sealed record Said(bool ByClient, byte Byte, ServerEnd Then, string? Request = null);

    private static readonly Gen<string> Fields = Gen.OneOf("", "Host: shop\r\n", "host:a\r\nAccept: */*\r\n", "Cookie: " + new string('c', 3000) + "\r\n", "Cache-Control: max-age=0, no-cache\r\nX-Empty:\r\n");

    private static readonly Gen<(string Head, bool Version11, bool Close, bool HeadOnly)> Line =
        from method in Gen.OneOf("GET", "HEAD", "OPTIONS")
        from target in Gen.OneOf("/", "*", "/a?b=c%20d", "http://shop/x")
        from version in Gen.OneOf("1.1", "1.1", "1.1", "1.0")
        from connection in Gen.OneOf("", "", "", "Connection: keep-alive\r\n", "Connection: close\r\n", "connection: TE , Close\r\n")
        from fields in Fields
        select ($"{method} {target} HTTP/{version}\r\n{fields}{connection}", version == "1.1", connection.Contains("lose", StringComparison.Ordinal) || (version == "1.0" && connection.Length == 0), method == "HEAD");

    /// <summary>Requests that nobody but the client may repeat, or that are not understood.</summary>
    private static readonly Gen<string> Once = Gen.OneOf(
        from method in Gen.OneOf("POST", "PUT", "DELETE", "PATCH", "GET", "OPTIONS")
        from fields in Fields
        from framing in Gen.OneOf("Content-Length: 4\r\n\r\nbody", "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "transfer-encoding: gzip, chunked\r\n\r\n", "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", "Content-Length : 0\r\n\r\n")
        select $"{method} / HTTP/1.1\r\n{fields}{framing}",
        Gen.OneOf("POST / HTTP/1.1\r\n\r\n", "DELETE /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "get / HTTP/1.1\r\n\r\n", "GETS / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / HTTP/1.1\r\nexpect: 100-continue\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n", "GET /\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "GET / x HTTP/1.1\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n", "GET / HTTP/1.1\nHost: a\n\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000", "\r\nGET / HTTP/1.1\r\n\r\n",
            $"GET / HTTP/1.1\r\nX: {new string('x', HttpExchange.LongestHead)}\r\n\r\n"));

    private static readonly Gen<string> Chunks =
        from sizes in Gen.Int[1, 300].Array[0, 4]
        from extension in Gen.OneOf("", ";name=value", " ;x=\"y\"")
        from trailer in Gen.OneOf("", "", "Digest: x\r\nLater: y\r\n")
        select string.Concat(sizes.Select(size => $"{size.ToString(size % 2 == 0 ? "x" : "X4", CultureInfo.InvariantCulture)}{extension}\r\n{new string(size % 3 == 0 ? '\n' : 'b', size)}\r\n")) + $"0{extension}\r\n{trailer}\r\n";

    /// <summary>What an answer may have after its first line, and whether its end is known from it.</summary>
    private static readonly Gen<(string Text, bool Known)> Framed = Gen.Frequency(
        (4, Gen.Int[0, 300].Select(length => ($"Content-Length: {length}\r\n\r\n{new string('b', length)}", true))),
        (4, Chunks.Select(chunks => ("Transfer-Encoding: Chunked\r\n\r\n" + chunks, true))),
        (1, Gen.OneOf(("\r\nuntil the end", false), ("Transfer-Encoding: gzip\r\n\r\nz", false), ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false), ("Content-Length: x\r\n\r\n", false), ("Content-Length: 1, 1\r\n\r\na", false),
            ("Transfer-Encoding: chunked\r\n\r\nxyz\r\n", false), ("Transfer-Encoding: chunked\r\n\r\n1\r\nabc", false), ("Transfer-Encoding: chunked\r\n\r\n1\r\na\nb0\r\n\r\n", false), ("Transfer-Encoding: chunked\r\n\r\n-1\r\n", false), ($"X: {new string('x', HttpExchange.LongestHead)}\r\n\r\n", false))));

    private static readonly Gen<Talk> Plain =
        from line in Line
        from length in Gen.OneOf("", "", "Content-Length: 0\r\n")
        from interim in Gen.OneOf("", "", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n")
        from status in Gen.OneOf("200 OK", "200", "404 Not Found", "204 No Content", "304 Not Modified", "503 ", "101 Switching", "2000 OK", "abc")
        from version in Gen.OneOf("1.1", "1.1", "1.1", "1.1", "1.0", "2.0")
        from connection in Gen.OneOf("", "", "", "Connection: Keep-Alive\r\n", "Connection: close\r\n")
        from framed in Framed
        let bodiless = line.HeadOnly || status.StartsWith("204", StringComparison.Ordinal) || status.StartsWith("304", StringComparison.Ordinal)
        let head = framed.Text[..(framed.Text.StartsWith("\r\n", StringComparison.Ordinal) ? 2 : framed.Text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)]
        let understood = status is not ("101 Switching" or "2000 OK" or "abc") && version != "2.0" && (version != "1.0" || !framed.Text.Contains("chunked", StringComparison.OrdinalIgnoreCase))
            && (framed.Known || (bodiless && !head.Contains("gzip", StringComparison.Ordinal) && !head.Contains("Length: x", StringComparison.Ordinal) && !head.Contains("1, 1", StringComparison.Ordinal) && !head.Contains("Length: 1\r\nT", StringComparison.Ordinal) && head.Length < HttpExchange.LongestHead))
        let stays = !line.Close && connection != "Connection: close\r\n" && ((line.Version11 && version == "1.1") || connection.Length > 0)
        select new Talk(line.Head + length + "\r\n", true, $"{interim}HTTP/{version} {status}\r\n{connection}{(bodiless ? head : framed.Text)}", understood && stays);

    private static readonly Gen<Talk> Any = Gen.Frequency((6, Plain), (1, Once.Select(request => new Talk(request, false, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false))));

    /// <summary>How much of the next request comes before the answer's byte of that number (pipelining), and how much of the answer before the request's (a server that speaks first); mostly none.</summary>
    private static readonly Gen<(int Early, int At)> Crossed = Gen.Frequency((5, Gen.Const((0, 0))), (1, Gen.Select(Gen.Int[-5, 5], Gen.OneOf(Gen.Const(0), Gen.Int[0, 60]))));

    private static List<Said> Conversation(IEnumerable<(Talk Talk, (int Early, int At) Crossed)> talks)
    {
        var said = new List<Said>();
        bool followed = true;
        void Add(bool byClient, char value, ServerEnd then, string? request = null) => said.Add(new Said(byClient, (byte)value, followed ? then : ServerEnd.Told, followed ? request : null));
        foreach (var (talk, (early, at)) in talks)
        {
            for (int i = 0; i < talk.Request.Length; i++)
            {
                bool whole = i == talk.Request.Length - 1 && talk.Repeatable;
                Add(true, talk.Request[i], whole ? ServerEnd.AskedAgain : ServerEnd.Told, whole ? talk.Request : null);
                if (early >= 0 || i != at || whole) continue;
                followed = false;
                for (int k = early; k < 0; k++) Add(false, 's', ServerEnd.Told);
            }
            followed &= talk.Repeatable;
            for (int i = 0; i < talk.Answer.Length; i++)
            {
                if (early > 0 && i == at)
                {
                    followed = false;
                    for (int k = 0; k < early; k++) Add(true, "GET /"[k], ServerEnd.Told);
                }
                Add(false, talk.Answer[i], i == talk.Answer.Length - 1 && talk.Followed ? ServerEnd.Awaited : ServerEnd.Told);
            }
            followed &= talk.Followed;
        }
        return said;
    }

    [Fact]
    public void A_request_is_asked_again_exactly_when_it_is_whole_alone_repeatable_and_unanswered() =>
        Gen.Select(Gen.Select(Any, Crossed).Array[1, 6], Gen.Int[1, 400].Array[1, 8]).Sample((talks, cuts) =>
        {
            var said = Conversation(talks);
            var exchange = new HttpExchange();
            Assert.Equal(ServerEnd.Awaited, exchange.AtServerEnd);
            for (int at = 0, cut = 0; at < said.Count;)
            {
                int end = at + 1;
                while (end < said.Count && end - at < cuts[cut % cuts.Length] && said[end].ByClient == said[at].ByClient) end++;
                cut++;
                byte[] piece = [.. said[at..end].Select(one => one.Byte)];
                if (said[at].ByClient) exchange.FromClient(piece);
                else exchange.FromServer(piece);
                var last = said[end - 1];
                if (exchange.AtServerEnd != last.Then) throw new InvalidOperationException($"after byte {end}, {Text(said[Math.Max(0, end - 80)..end])}, the server's end is {exchange.AtServerEnd} and not {last.Then}");
                if (last.Request is not null) Assert.Equal(last.Request, Encoding.Latin1.GetString(exchange.Request.Span));
                else Assert.Throws<InvalidOperationException>(() => exchange.Request);
                at = end;
            }
            exchange.StepAside();
            exchange.FromClient("GET / HTTP/1.1\r\n\r\n"u8);
            Assert.Equal(ServerEnd.Told, exchange.AtServerEnd);
        }, iter: 2000, threads: 1);

    private static string Text(IEnumerable<Said> said) => string.Concat(said.Select(one => (one.ByClient ? "" : "~") + one.Byte switch { (byte)'\r' => "\\r", (byte)'\n' => "\\n", var other => ((char)other).ToString() }));
}
