using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>The compiled filters of containers, one for each combination of classes, made when it is first asked for and kept.</summary>
public static unsafe class ContainerFilters
{
    private const int Combinations = (int)CallClass.All + 1;
    private static ulong* s_programs;
    private static int* s_lengths;

    public static bool Initialize()
    {
        s_programs = (ulong*)Node.Allocate(Combinations * FilterCompiler.MaxInstructions * sizeof(ulong), born: true);
        s_lengths = (int*)Node.Allocate(Combinations * sizeof(int));
        return s_programs != null && s_lengths != null;
    }

    public static ulong* Of(CallClass classes, out int length)
    {
        ulong* program = s_programs + (int)classes * FilterCompiler.MaxInstructions;
        if (s_lengths[(int)classes] == 0)
        {
            var compiler = new FilterCompiler();
            s_lengths[(int)classes] = compiler.CompileContainer(program, classes);
        }
        length = s_lengths[(int)classes];
        return program;
    }
}
