using System.Globalization;
using System.Text;
using CsCheck;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Logs;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class LogReaderTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("eyrie-logs-").FullName;

    private string Current => Path.Combine(_directory, "a-0.log");

    public void Dispose() => Directory.Delete(_directory, true);

    private static string Line(int second, string text, char tag = 'F') => string.Create(CultureInfo.InvariantCulture, $"2026-01-02T03:{second / 60:00}:{second % 60:00}.000000001Z stdout {tag} {text}\n");

    private async Task<string> ReadAsync(LogRequest? request = null)
    {
        var all = new StringBuilder();
        await new LogReader(Current, request ?? new LogRequest { TailLines = -1 }, () => false, piece =>
        {
            all.Append(Encoding.UTF8.GetString(piece.Span));
            return Task.CompletedTask;
        }).ReadAsync(CancellationToken.None);
        return all.ToString();
    }

    private void Put(params string[] files)
    {
        for (int i = 0; i < files.Length; i++) File.WriteAllText(i == files.Length - 1 ? Current : LogFiles.Aside(Current, i + 9), files[i]);
    }

    [Fact]
    public async Task All_files_are_read_in_their_order_and_lines_in_parts_are_one()
    {
        Put(Line(1, "one") + Line(2, "tw", 'P'), Line(3, "o"), Line(4, "three") + "no log line\n" + Line(5, "unfinished", 'P'));
        Assert.Equal("one\ntwo\nthree\nunfinished", await ReadAsync());
        Assert.Equal("2026-01-02T03:00:04.000000001Z three\n2026-01-02T03:00:05.000000001Z unfinished",
            await ReadAsync(new LogRequest { TailLines = -1, Timestamps = true, SinceUnixMilliseconds = new DateTimeOffset(2026, 1, 2, 3, 0, 4, TimeSpan.Zero).ToUnixTimeMilliseconds() }));
        Assert.Equal("one\ntw", await ReadAsync(new LogRequest { TailLines = -1, LimitBytes = 6 }));
        await Assert.ThrowsAsync<FileNotFoundException>(() => new LogReader(Current + "x", new LogRequest(), () => false, _ => Task.CompletedTask).ReadAsync(CancellationToken.None));
    }

    [Fact]
    public void The_tail_is_the_last_whole_lines_whatever_their_length_and_however_they_lie_in_files() => Gen.Select(
        Gen.Select(Gen.Int[0, 90_000], Gen.Int[1, 3]).Array[0, 12], Gen.Int[0, 14], Gen.Int[0, 12]).Sample((lines, wanted, cut) =>
    {
        foreach (var file in Directory.EnumerateFiles(_directory)) File.Delete(file);
        var (first, second, expected) = (new StringBuilder(), new StringBuilder(), new List<string>());
        for (int i = 0; i < lines.Length; i++)
        {
            var (length, parts) = lines[i];
            var text = new string((char)('a' + i), length);
            var into = i < cut ? first : second;
            for (int part = 1; part < parts; part++) into.Append(Line(i, text[(length / parts * (part - 1))..(length / parts * part)], 'P'));
            into.Append(Line(i, text[(length / parts * (parts - 1))..]));
            expected.Add(text + "\n");
        }
        Put(first.ToString(), second.ToString());
        Assert.Equal(string.Concat(expected.TakeLast(wanted)), ReadAsync(new LogRequest { TailLines = wanted }).GetAwaiter().GetResult());
    }, iter: 200, threads: 1);

    [Fact]
    public async Task A_follower_gets_every_line_once_over_files_that_are_put_aside_and_ends_with_the_run()
    {
        const int Lines = 3000;
        File.WriteAllText(Current, "");
        bool running = true;
        var seen = new StringBuilder();
        var reading = new LogReader(Current, new LogRequest { TailLines = -1, Follow = true }, () => Volatile.Read(ref running), piece =>
        {
            seen.Append(Encoding.UTF8.GetString(piece.Span));
            return Task.CompletedTask;
        }).ReadAsync(CancellationToken.None);
        var writer = new FileStream(Current, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, 0);
        for (int i = 0, aside = 0; i < Lines; i++)
        {
            if (i % 700 == 699)
            {
                // As the rotation does: another name first, a new file later, and lines between.
                File.Move(Current, LogFiles.Aside(Current, ++aside));
                writer.Write(Encoding.UTF8.GetBytes(Line(i, $"late {i}")));
                await Task.Delay(30);
                writer.Dispose();
                writer = new FileStream(Current, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, 0);
            }
            writer.Write(Encoding.UTF8.GetBytes(Line(i, $"line {i}")));
        }
        writer.Dispose();
        Volatile.Write(ref running, false);
        await reading.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(Enumerable.Range(0, Lines).SelectMany(i => i % 700 == 699 ? new[] { $"late {i}", $"line {i}" } : [$"line {i}"]), seen.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task The_tail_of_a_large_file_does_not_cost_what_the_file_has()
    {
        const long Size = 1L << 30;
        using (var file = new FileStream(Current, FileMode.Create))
        {
            file.SetLength(Size); // a file with a hole is as long to read
            file.Position = Size;
            file.Write(Encoding.UTF8.GetBytes("\n" + Line(1, "first") + Line(2, "last")));
        }
        long before = BytesRead();
        Assert.Equal("last\n", await ReadAsync(new LogRequest { TailLines = 1 }));
        Assert.InRange(BytesRead() - before, 1, Size / 4); // by everything in this process
    }

    /// <summary>Files as the rotation leaves them, each last written to when its last line was; a line a millisecond from the hour on.</summary>
    /// <returns>How many bytes each has.</returns>
    private long Large(int files, int lines)
    {
        var hour = new DateTimeOffset(2026, 1, 2, 3, 0, 0, TimeSpan.Zero);
        for (int file = 0, line = 0; file < files; file++)
        {
            var path = file == files - 1 ? Current : LogFiles.Aside(Current, file + 1);
            using (var writer = new StreamWriter(path))
                for (int i = 0; i < lines; i++, line++) writer.Write(string.Create(CultureInfo.InvariantCulture, $"{hour.AddMilliseconds(line):yyyy-MM-dd'T'HH:mm:ss.fff}000000Z stdout F {line:00000000} {new string('x', 80)}\n"));
            File.SetLastWriteTimeUtc(path, hour.AddMilliseconds(line).UtcDateTime);
        }
        return new FileInfo(Current).Length;
    }

    [Fact]
    public async Task Of_large_files_is_read_what_was_asked_for_and_no_more()
    {
        const int Files = 4, Lines = 200_000;
        long each = Large(Files, Lines);
        var hour = new DateTimeOffset(2026, 1, 2, 3, 0, 0, TimeSpan.Zero);
        async Task<(string Text, long Read)> AskAsync(LogRequest request)
        {
            long before = BytesRead();
            var text = await ReadAsync(request);
            return (text, BytesRead() - before);
        }
        var (first, read) = await AskAsync(new LogRequest { TailLines = -1, LimitBytes = 12 });
        Assert.Equal("00000000 xxx", first);
        Assert.InRange(read, 1, each); // by everything in this process
        const int Since = 3 * Lines + Lines / 2; // in the last file
        (first, read) = await AskAsync(new LogRequest { TailLines = -1, SinceUnixMilliseconds = hour.AddMilliseconds(Since).ToUnixTimeMilliseconds() });
        Assert.Equal(Enumerable.Range(Since, Lines / 2), first.Split('\n')[..^1].Select(line => int.Parse(line.AsSpan(0, 8), CultureInfo.InvariantCulture)));
        Assert.InRange(read, each / 2, each * 2); // of four times as much
        (first, read) = await AskAsync(new LogRequest { TailLines = -1, Timestamps = true, LimitBytes = 40, SinceUnixMilliseconds = hour.AddMilliseconds(Lines + 5000).ToUnixTimeMilliseconds() });
        Assert.Equal("2026-01-02T03:03:25.000000000Z 00205000 ", first);
        Assert.InRange(read, 1, each);
        (first, _) = await AskAsync(new LogRequest { TailLines = Lines + 2, Timestamps = true, LimitBytes = 40 });
        Assert.Equal("2026-01-02T03:09:59.998000000Z 00599998 ", first);
        Assert.Equal("", await ReadAsync(new LogRequest { TailLines = -1, SinceUnixMilliseconds = hour.AddDays(1).ToUnixTimeMilliseconds() }));
    }

    private static long BytesRead() => long.Parse(File.ReadLines("/proc/self/io").First()["rchar: ".Length..], CultureInfo.InvariantCulture);
}
