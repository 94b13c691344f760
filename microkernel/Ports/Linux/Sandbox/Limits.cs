namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>What a container may use, 0: no limit. A factory's quota and a scheduling context say it.</summary>
public struct Limits
{
    public long MemoryBytes, Processes;
    /// <summary>Thousandths of a CPU, and its part among those who compete: 1024 is an ordinary one (cpu.shares).</summary>
    public long CpuMilli, Shares;
}

/// <summary>What the processes of a control group use now, or have used.</summary>
public struct Usage
{
    public long CpuMicroseconds, MemoryBytes, Processes;
    /// <summary>Bytes of files in the page cache that the host may take back at once (inactive_file): charged to the group, and no part of what it works with.</summary>
    public long IdleFileBytes;
    /// <summary>Bytes read from and written to block devices so far.</summary>
    public long DiskReadBytes, DiskWrittenBytes;
}
