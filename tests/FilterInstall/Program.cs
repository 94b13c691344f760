using System;
using System.Runtime;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Ports.Linux.Sandbox;
using static NativeProgram;

/// <summary>
/// <c>filterinstall CLASSES COUNT</c> compiles the filter of a container whose set brings these classes (<see cref="CallClass"/>, a number) and has COUNT processes install it, one after the other. Prints how many
/// instructions it has, then a line with the nanoseconds of each installation.
/// </summary>
internal static unsafe class Program
{
    private const int NewListener = 8, WaitKillable = 32; // as the kernel's launcher installs it

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        byte** arguments = (byte**)(stack + 1);
        if (stack[0] != 3) return 2;
        ulong* program = (ulong*)Host.Call(Sys.Mmap, 0, FilterCompiler.MaxInstructions * sizeof(ulong), 3, 0x22, -1);
        long* taken = (long*)Host.Call(Sys.Mmap, 0, 4096, 3, 0x21, -1); // shared with the children
        var compiler = new FilterCompiler();
        int length = compiler.CompileContainer(program, (CallClass)FieldReader.Number(Text(arguments[1])));
        Print(length);
        ulong* description = stackalloc ulong[2];
        description[0] = (ulong)length;
        description[1] = (ulong)program;
        for (long left = FieldReader.Number(Text(arguments[2])); left > 0; left--)
        {
            *taken = -1;
            nint child = Host.Call(Sys.Fork);
            if (child == 0)
            {
                Host.Call(Sys.Prctl, 38, 1, 0, 0, 0); // PR_SET_NO_NEW_PRIVS
                long begin = Now();
                nint listener = Host.Call(Sys.Seccomp, 1, NewListener | WaitKillable, (nint)description);
                if (listener >= 0) *taken = Now() - begin;
                Host.Call(Sys.ExitGroup, 0);
            }
            Host.Call(Sys.Wait4, child, 0, 0, 0);
            if (*taken < 0) return 1;
            Print(*taken);
        }
        return 0;
    }
}
