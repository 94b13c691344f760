using System.Runtime.InteropServices;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Tools;
using Xunit;

namespace Eyrie.Microkernel.Tests;

/// <summary>What is generated from the ABI document is current, and the document is checked before anything is written.</summary>
public sealed class AbiTests
{
    private static string Microkernel => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../../microkernel"));

    private static string Document => File.ReadAllText(Path.Combine(Microkernel, GeneratedAbi.Source));

    public static TheoryData<string> Generated => [.. GeneratedAbi.Files(Document).Keys];

    [Theory]
    [MemberData(nameof(Generated))]
    public void A_generated_file_is_what_the_document_says_now(string path) =>
        Assert.True(GeneratedAbi.Files(Document)[path] == File.ReadAllText(Path.Combine(Microkernel, path)), $"microkernel/{path} is not what {GeneratedAbi.Source} says; run: microkernel/tool abi");

    [Theory]
    [InlineData("\"number\": 1002", "\"number\": 1001", "two calls have the number 1001")]
    [InlineData("\"number\": 1015", "\"number\": 1016", "Version: the number 1016 is not among those reserved")]
    [InlineData("\"name\": \"Cancelled\"", "\"name\": \"Canceled\"", "Ipc: no error is called Cancelled")]
    [InlineData("\"type\": \"UnmapMode\"", "\"type\": \"Mode\"", "Unmap: the type Mode of mode is not known")]
    [InlineData("\"value\": -13", "\"value\": -12", "two errors have the value -12")]
    [InlineData("\"name\": \"Layer\", \"value\": 1", "\"name\": \"Layer\", \"value\": 2", "two members of StartTag have the value 2")]
    public void A_document_that_contradicts_itself_is_refused_with_the_place(string right, string wrong, string problem)
    {
        Assert.Contains(right, Document, StringComparison.Ordinal);
        var refused = Assert.Throws<InvalidDataException>(() => GeneratedAbi.Files(Document.Replace(right, wrong, StringComparison.Ordinal)));
        Assert.Contains(problem, refused.Message, StringComparison.Ordinal);
    }

    private readonly record struct Recorded : IKernelEntry<Recorded>
    {
        [ThreadStatic] public static nint[]? Registers;

        public static nint Enter(nint number, nint a, nint b, nint c, nint d, nint e, nint f)
        {
            Registers = [number, a, b, c, d, e, f];
            return -3;
        }
    }

    [Fact]
    public void A_stub_puts_its_arguments_into_the_registers_in_order_and_gives_the_result()
    {
        Assert.Equal(AbiError.MissingRights, KernelCalls<Recorded>.Create(1, ObjectKind.Gate, 64, 7, 8));
        Assert.Equal([1001, 1, (nint)ObjectKind.Gate, 64, 7, 8, 0], Recorded.Registers!);
        KernelCalls<Recorded>.Ipc(IpcOperation.ReplyValue, 5, -111, 3);
        Assert.Equal([1000, 4, 5, -111, 3, 0, 0], Recorded.Registers!);
    }

    private readonly struct PlainProcess : IKernelEntry<PlainProcess>
    {
        [DllImport("libc", SetLastError = true)]
        private static extern nint syscall(nint number, nint a, nint b, nint c, nint d, nint e, nint f);

        public static nint Enter(nint number, nint a, nint b, nint c, nint d, nint e, nint f) =>
            syscall(number, a, b, c, d, e, f) is var result and >= 0 ? result : -Marshal.GetLastPInvokeError();
    }

    [Fact]
    public void Outside_of_a_task_the_stubs_reach_nothing()
    {
        const int NoSuchCall = -38; // ENOSYS
        Assert.Equal(NoSuchCall, KernelCalls<PlainProcess>.Version());
    }
}
