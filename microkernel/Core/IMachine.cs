namespace Eyrie.Microkernel.Core;

/// <summary>
/// What the core asks of the machine under it. A port implements this and nothing in the core knows which one.
/// Static abstract, so that the same core compiles freestanding and into an ordinary library.
/// </summary>
public unsafe interface IMachine<TSelf> where TSelf : IMachine<TSelf>
{
    /// <summary>The message buffer of a thread (<see cref="Abi.MessageLayout"/>), or of a task's first one; valid while the task is alive.</summary>
    static abstract byte* MessageBuffer(int thread);

    /// <summary>Lets a thread blocked in IPC go on with this result; its buffer holds the message.</summary>
    static abstract void Resume(int thread, long result);

    /// <summary>An object's last capability is gone: release what the host holds for it.</summary>
    static abstract void Release(int objectIndex, ref ObjectRecord record);

    /// <summary>A task lost a capability: what it gained by it and the host still holds open ends. Not called for what a task never had.</summary>
    static abstract void Revoked(int task, int slot);

    /// <summary>A message moves between two threads and carries a descriptor: give the receiver the host resource.</summary>
    static abstract void TransferDescriptor(int from, int to);
}
