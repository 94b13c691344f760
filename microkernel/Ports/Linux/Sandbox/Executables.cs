using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>
/// Code is run from what the set names and from nowhere else: every mount of the world becomes noexec, and what is named is mounted over itself as it was. So the host's kernel refuses to execute other files, and to
/// map them to be executed, which is how a loader would run them; files in memory (memfd) it makes without the right to be executed, for every process of the world.
/// </summary>
public static unsafe class Executables
{
    private const int Most = 64;
    private const nint EmptyPath = 0x1000, Recursive = 0x8000, Clone = 1, NoExec = 8;

    /// <summary>Only where the description names any. What is not there is not executed, and no mistake.</summary>
    public static nint Limit(ref Launcher.Child child, nint root)
    {
        if (child.Description.Count(StartTag.Executable) == 0) return 0;
        nint* points = stackalloc nint[Most];
        nint* trees = stackalloc nint[Most];
        int count = 0, at = 0;
        fixed (byte* empty = "\0"u8)
        {
            while (child.Description.Next(StartTag.Executable, ref at, out byte* value, out int size))
            {
                if (size <= 1) return 0; // the root with everything below
                if (count == Most) return -Sys.Einval;
                nint point = Beneath.Open(root, new ReadOnlySpan<byte>(value + 1, size - 1), Sys.OPath, Beneath.InRoot);
                if (point == -Sys.Enoent) continue;
                if (point < 0) return point;
                nint tree = Host.Call(Sys.OpenTree, point, (nint)empty, EmptyPath | Clone | Recursive | Sys.Cloexec);
                if (tree < 0) return tree;
                (points[count], trees[count++]) = (point, tree);
            }
            nint result = RefuseMemoryFiles(root);
            if (result < 0) return result;
            ulong* change = stackalloc ulong[4];
            change[0] = (ulong)NoExec;
            change[1] = change[2] = change[3] = 0;
            if ((result = Host.Call(Sys.MountSetattr, root, (nint)empty, EmptyPath | Recursive, (nint)change, 32)) < 0) return result;
            for (int i = 0; i < count; i++)
            {
                if ((result = Host.Call(Sys.MoveMount, trees[i], (nint)empty, points[i], (nint)empty, 4 | 0x40)) < 0) return result; // both paths empty
                Host.Call(Sys.Close, trees[i]);
                Host.Call(Sys.Close, points[i]);
            }
        }
        return 0;
    }

    /// <summary>vm.memfd_noexec of the new pid namespace (Documentation/userspace-api/mfd_noexec.rst): 2 makes every memfd without the right, and refuses those that ask for it.</summary>
    private static nint RefuseMemoryFiles(nint root)
    {
        nint setting = Beneath.Open(root, "proc/sys/vm/memfd_noexec"u8, 1, Beneath.InRoot);
        if (setting < 0) return setting;
        byte enforced = (byte)'2';
        nint written = Host.Call(Sys.Write, setting, (nint)(&enforced), 1);
        Host.Call(Sys.Close, setting);
        return written < 0 ? written : 0;
    }
}
