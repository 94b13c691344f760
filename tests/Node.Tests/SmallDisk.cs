using System.Diagnostics;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>A file system of its own (tmpfs) that is soon full.</summary>
public sealed class SmallDisk : IAsyncDisposable
{
    private SmallDisk(string path) => Path = path;

    public string Path { get; }

    /// <param name="path">A directory, which is made.</param>
    /// <param name="size">As mount(8) takes it, such as 64k.</param>
    public static async Task<SmallDisk> MountAsync(string path, string size)
    {
        Directory.CreateDirectory(path);
        await RunAsync("mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", path);
        return new SmallDisk(path);
    }

    public Task GrowAsync(string size) => RunAsync("mount", "-o", "remount,size=" + size, Path);

    /// <summary>Writes until so much of it is taken, in per cent, and not a block more.</summary>
    public void Fill(int percent)
    {
        var file = System.IO.Path.Combine(Path, "fill");
        File.Delete(file);
        var drive = new DriveInfo(Path);
        long more = drive.TotalSize * percent / 100 - (drive.TotalSize - drive.AvailableFreeSpace);
        more -= more % Environment.SystemPageSize; // a block is taken whole
        if (more > 0) File.WriteAllBytes(file, new byte[more]);
    }

    public async ValueTask DisposeAsync() => await RunAsync("umount", Path);

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }
}
