using System;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>
/// From policy to a seccomp program: a balanced tree of comparisons over the call numbers, since a list costs a comparison a call and its
/// installation grows with its length. Classic BPF (linux/filter.h): 8 bytes an instruction, code u16, jt u8, jf u8, k u32.
/// </summary>
public unsafe struct FilterCompiler
{
    public const int MaxInstructions = 2048;
    private const int Numbers = 512, Clone = 56;
    /// <summary>CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, CHILD_CLEARTID.</summary>
    public const uint ThreadFlags = 0x250F00;
    private const ushort Load = 0x20, JumpEqual = 0x15, JumpGreaterOrEqual = 0x35, JumpSet = 0x45, Jump = 0x05, Return = 0x06;
    private const uint ByRule = 1; // never a verdict: this number is decided by argument rules

    private fixed uint _verdicts[Numbers];
    private ulong* _program;
    private CallClass _classes;
    private int _length;

    /// <summary>Writes the program of a container whose set brings these classes, and returns its length in instructions.</summary>
    public int CompileContainer(ulong* program, CallClass classes)
    {
        Clear(program);
        _classes = classes;
        for (int group = 0; group < SystemCallPolicy.Groups; group++)
        {
            var numbers = SystemCallPolicy.Native(group, out var needed);
            if (Has(needed)) Set(numbers, Verdict.Allow);
        }
        Set(SystemCallPolicy.Trapped(classes), Verdict.Trap);
        Set(SystemCallPolicy.Absent, Verdict.Enosys);
        var rules = SystemCallPolicy.Rules;
        for (int i = 0; i < rules.Length; i += ArgumentRule.Width)
            if (Has((CallClass)rules[i])) _verdicts[rules[i + 1]] = ByRule;
        Header();
        if (Has(CallClass.Gates))
        {
            Emit(JumpEqual, 0, 1, Call.Gate);
            Emit(Return, 0, 0, Verdict.Trap);
        }
        Tree(0, Numbers);
        return _length;
    }

    /// <summary>The program of a native task: the microkernel's numbers trap, the listed calls run, everything else is refused.</summary>
    public int CompileNative(ulong* program, ReadOnlySpan<short> allowed)
    {
        Clear(program);
        Set(allowed, Verdict.Allow);
        Header();
        Emit(JumpGreaterOrEqual, 0, 2, Abi.Call.First);
        Emit(JumpGreaterOrEqual, 1, 0, Abi.Call.Last + 1);
        Emit(Return, 0, 0, Verdict.Trap);
        if (_verdicts[Clone] == Verdict.Allow) Threads();
        Tree(0, Numbers);
        return _length;
    }

    /// <summary>clone makes threads of the task and nothing else: a further process would live beside the kernel's one notion of the task.</summary>
    private void Threads()
    {
        Emit(JumpEqual, 0, 4, Clone);
        Emit(Load, 0, 0, 16);
        Emit(JumpEqual, 0, 1, ThreadFlags);
        Emit(Return, 0, 0, Verdict.Allow);
        Emit(Return, 0, 0, Verdict.Eperm);
    }

    private readonly bool Has(CallClass needed) => needed == CallClass.None || (_classes & needed) != 0;

    private void Clear(ulong* program)
    {
        _program = program;
        _length = 0;
        for (int i = 0; i < Numbers; i++) _verdicts[i] = Verdict.Eperm;
    }

    private void Set(ReadOnlySpan<short> numbers, uint verdict)
    {
        for (int i = 0; i < numbers.Length; i++) _verdicts[numbers[i]] = verdict;
    }

    private void Emit(ushort code, byte whenTrue, byte whenFalse, uint operand) =>
        _program[_length++] = code | (ulong)whenTrue << 16 | (ulong)whenFalse << 24 | (ulong)operand << 32;

    /// <summary>Another architecture (i386) or x32 numbering ends the process: its numbers mean other calls.</summary>
    private void Header()
    {
        Emit(Load, 0, 0, 4);
        Emit(JumpEqual, 1, 0, 0xC000003E);
        Emit(Return, 0, 0, Verdict.Kill);
        Emit(Load, 0, 0, 0);
        Emit(JumpGreaterOrEqual, 0, 1, 0x40000000);
        Emit(Return, 0, 0, Verdict.Kill);
    }

    /// <summary>Decides numbers in [first, end); the last subtree also holds everything above.</summary>
    private void Tree(int first, int end)
    {
        int split = Split(first, end);
        if (split < 0)
        {
            if (_verdicts[first] == ByRule) RulesOf(first);
            else Emit(Return, 0, 0, _verdicts[first]);
            return;
        }
        Emit(JumpGreaterOrEqual, 0, 1, (uint)split);
        int jump = _length;
        Emit(Jump, 0, 0, 0);
        Tree(first, split);
        _program[jump] = Jump | (ulong)(uint)(_length - jump - 1) << 32;
        Tree(split, end);
    }

    /// <summary>The boundary between two verdicts nearest to the middle; -1 when there is none.</summary>
    private int Split(int first, int end)
    {
        int middle = (first + end) / 2;
        for (int distance = 0; distance < end - first; distance++)
        {
            if (Boundary(first, end, middle + distance)) return middle + distance;
            if (Boundary(first, end, middle - distance)) return middle - distance;
        }
        return -1;
    }

    private bool Boundary(int first, int end, int at) =>
        at > first && at < end && (_verdicts[at] != _verdicts[at - 1] || _verdicts[at] == ByRule);

    private void RulesOf(int number)
    {
        var rules = SystemCallPolicy.Rules;
        for (int i = 0; i < rules.Length; i += ArgumentRule.Width)
        {
            if (rules[i + 1] != number || !Has((CallClass)rules[i])) continue;
            uint argument = rules[i + 2], kind = rules[i + 3], operand = rules[i + 4], verdict = rules[i + 5];
            if (kind == ArgumentRule.Always) { Emit(Return, 0, 0, verdict); return; }
            Emit(Load, 0, 0, 16 + argument * 8);
            if (kind == ArgumentRule.Equal && operand == 0)
            {
                // A pointer is null only when both halves are.
                Emit(JumpEqual, 0, 3, 0);
                Emit(Load, 0, 0, 20 + argument * 8);
                Emit(JumpEqual, 0, 1, 0);
            }
            else Emit(kind == ArgumentRule.Equal ? JumpEqual : JumpSet, 0, 1, operand);
            Emit(Return, 0, 0, verdict);
        }
    }
}
