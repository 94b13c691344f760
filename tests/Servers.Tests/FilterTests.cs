using CsCheck;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Servers.Tests;

/// <summary>The compiled filter decides as the plain list does, for every call and argument; the compiler and the policy are the kernel's own sources.</summary>
public sealed unsafe class FilterTests
{
    private const uint X64 = 0xC000003E, I386 = 0x40000003;

    /// <summary>seccomp_data (linux/seccomp.h): number, architecture, instruction pointer, six arguments.</summary>
    private readonly record struct Data(uint Number, uint Architecture, ulong A0, ulong A1, ulong A2, ulong A3, ulong A4, ulong A5)
    {
        public ulong Argument(uint index) => index switch { 0 => A0, 1 => A1, 2 => A2, 3 => A3, 4 => A4, _ => A5 };

        public uint Word(uint offset) => offset switch { 0 => Number, 4 => Architecture, _ => (uint)(Argument((offset - 16) / 8) >> (offset % 8 == 0 ? 0 : 32)) };
    }

    /// <summary>The policy read as it stands: the first rule of the number that matches, or the group the number is in.</summary>
    private static uint Plain(Data data, CallClass classes)
    {
        bool Has(CallClass needed) => needed == CallClass.None || (classes & needed) != 0;
        if (data.Architecture != X64 || data.Number >= 0x40000000) return Verdict.Kill;
        var rules = SystemCallPolicy.Rules;
        for (int i = 0; i < rules.Length; i += ArgumentRule.Width)
        {
            if (rules[i + 1] != data.Number || !Has((CallClass)rules[i])) continue;
            ulong argument = data.Argument(rules[i + 2]);
            uint operand = rules[i + 4];
            bool matches = rules[i + 3] switch
            {
                ArgumentRule.Always => true, ArgumentRule.AnyBit => ((uint)argument & operand) != 0,
                _ => operand == 0 ? argument == 0 : (uint)argument == operand, // the host reads 32 bits of these
            };
            if (matches) return rules[i + 5];
        }
        if (data.Number == Call.Gate && Has(CallClass.Gates)) return Verdict.Trap;
        if (Holds(SystemCallPolicy.Trapped(classes), data.Number)) return Verdict.Trap;
        if (Holds(SystemCallPolicy.Absent, data.Number)) return Verdict.Enosys;
        for (int group = 0; group < SystemCallPolicy.Groups; group++)
            if (Holds(SystemCallPolicy.Native(group, out var needed), data.Number) && Has(needed)) return Verdict.Allow;
        return Verdict.Eperm;
    }

    private static bool Holds(ReadOnlySpan<short> numbers, uint number) => number <= short.MaxValue && numbers.Contains((short)number);

    /// <summary>Classic BPF as the kernel runs it for seccomp (linux/filter.h).</summary>
    private static uint Interpret(ReadOnlySpan<ulong> program, Data data)
    {
        uint accumulator = 0;
        for (int at = 0; ; at++)
        {
            ushort code = (ushort)program[at];
            byte whenTrue = (byte)(program[at] >> 16), whenFalse = (byte)(program[at] >> 24);
            uint operand = (uint)(program[at] >> 32);
            switch (code)
            {
                case 0x20: accumulator = data.Word(operand); break;
                case 0x15: at += accumulator == operand ? whenTrue : whenFalse; break;
                case 0x35: at += accumulator >= operand ? whenTrue : whenFalse; break;
                case 0x45: at += (accumulator & operand) != 0 ? whenTrue : whenFalse; break;
                case 0x05: at += (int)operand; break;
                case 0x06: return operand;
                default: throw new InvalidOperationException($"instruction {at} has the unknown code {code:x}");
            }
        }
    }

    private static ulong[] Compile(CallClass classes)
    {
        var program = new ulong[FilterCompiler.MaxInstructions];
        var compiler = new FilterCompiler();
        int length;
        fixed (ulong* target = program) length = compiler.CompileContainer(target, classes);
        return program[..length];
    }

    private static readonly Gen<ulong> Argument = Gen.OneOf(Gen.Const(0UL), Gen.ULong[0, 64], Gen.ULong[1024, 1040], Gen.OneOf(Gen.Const(0x10000000UL), Gen.Const(0x20000000UL), Gen.Const(0x5401UL), Gen.Const(0x5412UL), Gen.Const(0x5421UL), Gen.Const(0x53564d41UL), Gen.Const(0x100000000UL), Gen.Const(0x100000001UL), Gen.Const(0x7E020000UL)), Gen.ULong);
    private static readonly Gen<uint> Number = Gen.OneOf(Gen.UInt[0, 512], Gen.OneOf(Gen.Const(16u), Gen.Const(41u), Gen.Const(44u), Gen.Const(46u), Gen.Const(54u), Gen.Const(56u), Gen.Const(72u), Gen.Const(157u), Gen.Const(307u), Gen.UInt[1000, 1015]), Gen.UInt[0x40000000, 0x40000200], Gen.UInt);
    private static readonly Gen<uint> Architecture = Gen.Frequency((9, Gen.Const(X64)), (1, Gen.OneOf(Gen.Const(I386), Gen.UInt)));

    private static readonly CallClass[] Combinations = [.. Enumerable.Range(0, (int)CallClass.All + 1).Select(bits => (CallClass)bits)];

    [Fact]
    public void The_compiled_filter_decides_as_the_plain_list_does_whatever_the_set_brings()
    {
        var programs = Combinations.Select(Compile).ToArray();
        Gen.Select(Number, Architecture, Gen.Select(Argument, Argument, Argument, Argument, Argument, Argument), Gen.Int[0, (int)CallClass.All]).Sample((number, architecture, arguments, classes) =>
        {
            var data = new Data(number, architecture, arguments.Item1, arguments.Item2, arguments.Item3, arguments.Item4, arguments.Item5, arguments.Item6);
            return Interpret(programs[classes], data) == Plain(data, (CallClass)classes);
        }, iter: 400_000);
    }

    [Fact]
    public void Every_number_is_decided_alike()
    {
        foreach (var classes in Combinations)
        {
            var program = Compile(classes);
            for (uint number = 0; number < 1100; number++) Assert.Equal(Plain(new Data(number, X64, 9, 9, 9, 9, 9, 9), classes), Interpret(program, new Data(number, X64, 9, 9, 9, 9, 9, 9)));
        }
    }

    [Fact]
    public void A_class_more_takes_no_call_away()
    {
        Gen.Select(Number, Gen.Select(Argument, Argument, Argument, Argument, Argument, Argument), Gen.Int[0, (int)CallClass.All], Gen.Int[0, (int)CallClass.All]).Sample((number, arguments, some, more) =>
        {
            var data = new Data(number, X64, arguments.Item1, arguments.Item2, arguments.Item3, arguments.Item4, arguments.Item5, arguments.Item6);
            return Plain(data, (CallClass)some) != Verdict.Allow || Plain(data, (CallClass)(some | more)) == Verdict.Allow;
        }, iter: 100_000);
    }

    /// <summary>socket, connect, bind, listen, accept and what else acts on sockets: nothing of it runs; the first three trap, to be refused and recorded.</summary>
    [Fact]
    public void Without_the_network_class_no_socket_call_runs()
    {
        uint[] calls = [41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 288, 299, 307];
        foreach (var classes in Combinations.Where(classes => (classes & CallClass.Network) == 0))
            foreach (uint call in calls)
                for (ulong first = 0; first < 48; first++) Assert.NotEqual(Verdict.Allow, Plain(new Data(call, X64, first, 1, 0, 0, 0, 0), classes));
    }

    [Theory]
    [InlineData("listen tcp 80", CallClass.Network)]
    [InlineData("connect tcp service default/hello 80", CallClass.Network)]
    [InlineData("audit connect any", CallClass.Network)]
    [InlineData("accept tcp pods shop/app=web 80", CallClass.None)]
    [InlineData("dir /tmp read,write", CallClass.Files)]
    [InlineData("audit dir / read,write", CallClass.Files)]
    [InlineData("dir / read", CallClass.None)]
    [InlineData("quota memory=4096 processes=1", CallClass.None)]
    [InlineData("quota memory=4096 processes=11", CallClass.Processes | CallClass.Threads)]
    [InlineData("quota memory=4096 processes=0", CallClass.Processes | CallClass.Threads)]
    [InlineData("quota memory=4096 processes=11 threads=1", CallClass.Processes)]
    [InlineData("quota memory=4096 processes=1 threads=11", CallClass.Threads)]
    [InlineData("dir /tmp read,change", CallClass.Files)]
    [InlineData("processes shared-memory", CallClass.SharedMemory)]
    [InlineData("gate call shop/keyvault", CallClass.Gates)]
    [InlineData("gate serve shop/keyvault", CallClass.Gates)]
    [InlineData("gate accept shop/keyvault pods shop/*", CallClass.None)]
    [InlineData("log write", CallClass.None)]
    [InlineData("", CallClass.None)]
    public void Each_line_brings_the_classes_it_needs_and_no_others(string line, CallClass classes) => Assert.Equal(classes, CallClasses.Of(System.Text.Encoding.UTF8.GetBytes(line)));
}
