using Xunit;

namespace Eyrie.Node.Tests;

public sealed class SignalPipesTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    private readonly string _state = Directory.CreateTempSubdirectory("eyrie-signals-").FullName;

    public void Dispose() => Directory.Delete(_state, true);

    private string Pipe(string from, string to) => Path.Combine(_state, "pods/u/signals", from, to);

    private SignalPipes Pipes() => new(ImageStoreTests.Options(_state), "u");

    [Fact]
    public async Task Words_are_told_one_after_the_other_and_what_is_no_word_is_not()
    {
        var told = new List<string>();
        var all = new TaskCompletionSource();
        using var pipes = Pipes();
        pipes.Open("a", ["signal b HUP,TERM"], (to, word) =>
        {
            told.Add($"{to} {word}");
            if (word == "end") all.SetResult();
            return Task.CompletedTask;
        });
        await File.AppendAllTextAsync(Pipe("a", "b"), "HUP\n\n TERM \n" + new string('x', 1000) + "\nend\n");
        await all.Task.WaitAsync(Soon);
        Assert.Equal(["b HUP", "b TERM", "b end"], told);
    }

    /// <summary>Who fills a pipe keeps nobody: nor the pod from its end.</summary>
    [Fact]
    public async Task The_end_does_not_wait_for_room_in_a_pipe_that_its_container_has_filled()
    {
        const int Full = (1 << 16) / 4; // lines that a pipe holds (pipe(7))
        int written = 0;
        var pipes = Pipes();
        var reading = new TaskCompletionSource();
        pipes.Open("a", ["signal b HUP"], (_, _) =>
        {
            reading.TrySetResult();
            return new TaskCompletionSource().Task; // the first word is being passed on for ever
        });
        var flood = Task.Run(() =>
        {
            using var writer = new FileStream(Pipe("a", "b"), FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0);
            try
            {
                for (; written < 2 * Full; written++) writer.Write("HUP\n"u8);
            }
            catch (IOException)
            {
                // Nobody reads any more.
            }
        });
        await reading.Task.WaitAsync(Soon);
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref written) >= Full, Soon), "the pipe was not filled");
        Assert.False(flood.IsCompleted);
        await Task.Run(pipes.Dispose).WaitAsync(Soon);
        await flood.WaitAsync(Soon);
    }

    [Fact]
    public async Task The_end_wakes_who_waits_for_a_word_and_may_come_after_it()
    {
        for (int round = 0; round < 50; round++)
        {
            var pipes = Pipes();
            pipes.Open("a", ["signal b HUP"], (_, _) => Task.CompletedTask);
            if (round % 2 == 0) await File.AppendAllTextAsync(Pipe("a", "b"), "HUP\n");
            await Task.Run(pipes.Dispose).WaitAsync(Soon);
            for (long begun = Environment.TickCount64; IsRead(); await Task.Delay(5)) Assert.True(Environment.TickCount64 - begun < Soon.TotalMilliseconds, "somebody still reads");
        }
        bool IsRead() => Directory.EnumerateFiles("/proc/self/fd").Any(descriptor => new FileInfo(descriptor).LinkTarget == Pipe("a", "b"));
    }
}
