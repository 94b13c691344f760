using System.Collections.Generic;
using System.Runtime.InteropServices;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;

namespace Eyrie.Microkernel.Tests.Checker;

/// <summary>The machine under the core in a test: message buffers in plain memory; what the core asks for is written down. One world a thread.</summary>
public readonly unsafe struct TestMachine : IMachine<TestMachine>
{
    private const int BufferSize = 512;

    [System.ThreadStatic] private static byte* t_buffers;
    [System.ThreadStatic] private static List<(int Task, long Result)>? t_resumed;
    [System.ThreadStatic] private static List<int>? t_released;
    [System.ThreadStatic] private static List<(int Task, int Slot)>? t_lost;

    public static List<(int Task, long Result)> Resumed => t_resumed ??= [];

    public static List<int> Released => t_released ??= [];

    public static List<(int Task, int Slot)> Lost => t_lost ??= [];

    public static void Begin(int tasks)
    {
        NativeMemory.Free(t_buffers);
        t_buffers = (byte*)NativeMemory.AllocZeroed((nuint)(tasks * BufferSize));
        Resumed.Clear();
        Released.Clear();
        Lost.Clear();
    }

    /// <summary>Puts one word into a task's buffer, and capabilities to go along.</summary>
    public static void Put(int task, long word, IReadOnlyList<(int Slot, Rights Rights)> carries)
    {
        byte* buffer = MessageBuffer(task);
        *(uint*)(buffer + MessageLayout.WordCount) = 1;
        *(uint*)(buffer + MessageLayout.PayloadLength) = 0;
        *(long*)(buffer + MessageLayout.Words) = word;
        *(uint*)(buffer + MessageLayout.CapabilityCount) = (uint)carries.Count;
        for (int i = 0; i < carries.Count && i < MessageLayout.MaxCapabilities; i++) *(long*)(buffer + MessageLayout.Capabilities + 8 * i) = (long)carries[i].Rights << 32 | (uint)carries[i].Slot;
    }

    /// <summary>The slots that a task keeps for capabilities.</summary>
    public static void Keep(int task, int first, int count)
    {
        byte* buffer = MessageBuffer(task);
        *(int*)(buffer + MessageLayout.TakeFirst) = first;
        *(int*)(buffer + MessageLayout.TakeCount) = count;
    }

    /// <summary>How many capabilities wait to go along with a task's message, and how many came with the last one it got.</summary>
    public static (int ToGo, int Came) Carried(int task) => (*(int*)(MessageBuffer(task) + MessageLayout.CapabilityCount), *(int*)(MessageBuffer(task) + MessageLayout.TakenCount));

    /// <summary>Word, label and caller that stand in a task's buffer.</summary>
    public static (long Word, long Label, long Caller) Get(int task)
    {
        byte* buffer = MessageBuffer(task);
        return (*(long*)(buffer + MessageLayout.Words), *(long*)(buffer + MessageLayout.Label), *(long*)(buffer + MessageLayout.Caller));
    }

    public static byte* MessageBuffer(int task) => t_buffers + task * BufferSize;

    public static void Resume(int task, long result) => Resumed.Add((task, result));

    public static void Revoked(int task, int slot) => Lost.Add((task, slot));

    public static void Release(int objectIndex, ref ObjectRecord record) => Released.Add(objectIndex);

    public static void TransferDescriptor(int from, int to) { }
}
