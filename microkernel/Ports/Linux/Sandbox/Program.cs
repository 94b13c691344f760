using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>The last step of a launch: which file is executed, with what.</summary>
public static unsafe class Program
{
    private const int MaxStrings = 1024, MaxText = 60000;

    public static nint ChangeDirectory(StartDescription description)
    {
        var directory = description.Bytes(StartTag.WorkingDirectory);
        if (directory.Length is 0 or > 1000) return directory.Length == 0 ? 0 : -Sys.Einval;
        byte* text = stackalloc byte[1024];
        directory.CopyTo(new Span<byte>(text, 1024));
        text[directory.Length] = 0;
        return Host.Call(Sys.Chdir, (nint)text);
    }

    public static nint Execute(ref Launcher.Child child)
    {
        if (child.NativeProgram != null)
        {
            // By descriptor, from inside an empty root: afterwards there is nothing left that could be executed.
            byte** vector = stackalloc byte*[3];
            vector[0] = child.NativeProgram;
            vector[1] = child.NativeArgument;
            vector[2] = null;
            byte** none = stackalloc byte*[1];
            none[0] = null;
            fixed (byte* empty = "\0"u8)
                return Host.Call(Sys.Execveat, child.NativeDescriptor, (nint)empty, (nint)vector, (nint)none, 0x1000);
        }
        // This memory is the child's own copy and goes with exec.
        byte* memory = (byte*)Host.Call(Sys.Mmap, 0, 2 * MaxText + 2 * MaxStrings * 8, 3, 0x22, -1);
        if ((nint)memory < 0) return (nint)memory;
        byte** arguments = (byte**)memory;
        byte** environment = arguments + MaxStrings;
        byte* text = memory + 2 * MaxStrings * 8;
        if (!Strings(Late.For(child, StartTag.Argument), StartTag.Argument, arguments, ref text) || arguments[0] == null) return -Sys.Einval;
        if (!Strings(Late.For(child, StartTag.Environment), StartTag.Environment, environment, ref text)) return -Sys.Einval;
        var program = Name(arguments[0]);
        if (program.IndexOf((byte)'/') >= 0) return Host.Call(Sys.Execve, (nint)arguments[0], (nint)arguments, (nint)environment);
        return Search(program, PathOf(environment), arguments, environment);
    }

    private static bool Strings(StartDescription description, int tag, byte** vector, ref byte* text)
    {
        int at = 0, count = 0;
        while (description.Next(tag, ref at, out byte* value, out int size))
        {
            if (count == MaxStrings - 1) return false;
            vector[count++] = text;
            for (int i = 0; i < size; i++) text[i] = value[i];
            text[size] = 0;
            text += size + 1;
        }
        vector[count] = null;
        return true;
    }

    private static ReadOnlySpan<byte> Name(byte* text)
    {
        int length = 0;
        while (text[length] != 0) length++;
        return new ReadOnlySpan<byte>(text, length);
    }

    private static ReadOnlySpan<byte> PathOf(byte** environment)
    {
        for (int i = 0; environment[i] != null; i++)
        {
            var variable = Name(environment[i]);
            if (variable.StartsWith("PATH="u8)) return variable.Slice(5);
        }
        return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"u8;
    }

    /// <summary>As execvp: every directory in turn; a file that may not be executed is remembered over one that is not there.</summary>
    private static nint Search(ReadOnlySpan<byte> program, ReadOnlySpan<byte> path, byte** arguments, byte** environment)
    {
        nint result = -Sys.Enoent;
        byte* candidate = stackalloc byte[1024];
        while (path.Length > 0)
        {
            int end = path.IndexOf((byte)':');
            var directory = end < 0 ? path : path.Slice(0, end);
            path = end < 0 ? default : path.Slice(end + 1);
            if (directory.Length + program.Length > 1000) continue;
            var text = new TextWriter(new Span<byte>(candidate, 1023));
            text.Add(directory); text.Add((byte)'/'); text.Add(program);
            candidate[text.Length] = 0;
            nint tried = Host.Call(Sys.Execve, (nint)candidate, (nint)arguments, (nint)environment);
            if (tried != -Sys.Enoent) result = tried;
        }
        return result;
    }
}
