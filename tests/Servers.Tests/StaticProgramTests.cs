using System.Buffers.Binary;

namespace Eyrie.Servers.Tests;

/// <summary>The kernel and its servers are static: no interpreter, no library that the host would load into them. Read from the files themselves (ELF, elf(5)).</summary>
public sealed class StaticProgramTests
{
    private const uint Dynamic = 2, Interpreter = 3;
    private const long Needed = 1;

    private sealed record Linkage(bool HasInterpreter, int Libraries);

    private static Linkage Read(string file)
    {
        var bytes = File.ReadAllBytes(file);
        Assert.Equal("\x7f" + "ELF\x02\x01", System.Text.Encoding.Latin1.GetString(bytes, 0, 6)); // 64 bits, little endian
        long Long(long at) => BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan((int)at));
        int Short(long at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan((int)at));
        var segments = Enumerable.Range(0, Short(56)).Select(index => Long(32) + index * Short(54)).Select(at => (Kind: BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan((int)at)), Offset: Long(at + 8), Size: Long(at + 32))).ToList();
        Assert.NotEmpty(segments);
        int libraries = 0;
        foreach (var (_, offset, size) in segments.Where(segment => segment.Kind == Dynamic))
            for (long at = offset; at < offset + size && Long(at) != 0; at += 16)
                if (Long(at) == Needed) libraries++;
        return new Linkage(segments.Any(segment => segment.Kind == Interpreter), libraries);
    }

    [Theory]
    [InlineData("eyrie-kernel")]
    [InlineData("metteagle")]
    [InlineData("network")]
    [InlineData("eyrie-gate")]
    public void Has_no_interpreter_and_needs_no_library(string program) => Assert.Equal(new Linkage(false, 0), Read(Path.Combine(RunningKernel.Binaries, program)));

    [Fact]
    public void A_program_of_another_kind_is_told_from_them()
    {
        var plain = Read(Environment.ProcessPath!); // .NET's own host
        Assert.True(plain is { HasInterpreter: true, Libraries: > 0 }, plain.ToString());
    }
}
