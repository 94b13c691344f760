using System.Diagnostics;
using System.Globalization;

namespace Eyrie.Servers.Tests;

/// <summary>
/// A virtual machine (qemu, everything emulated, so that any host can) with a Linux of its own: what this host's control groups do not show is shown there. It boots the microkernel and tests/LimitsGuest,
/// writes to its console and goes off.
/// </summary>
public sealed class GuestMachine
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(6);
    private static readonly string Source = Path.GetFullPath(Path.Combine(RunningKernel.Binaries, "../../tests/LimitsGuest")), Kernel = Path.Combine(Source, "bin/linux");
    private static readonly Lazy<Task<string>> Image = new(BuildAsync);

    /// <summary>Boots with these words on the kernel's command line; what stood on the console, line by line.</summary>
    public static async Task<IReadOnlyList<string>> RunAsync(string commandLine = "")
    {
        const int Tries = 3;
        var image = await Image.Value;
        // The emulation is at fault when the guest's own Linux panics: now and then, with several processors.
        for (int attempt = 1; ; attempt++)
            if (await BootAsync(image, commandLine) is var said && (attempt == Tries || !said.Any(line => line.Contains("Kernel panic", StringComparison.Ordinal)))) return said;
    }

    /// <summary>clearcpuid: this qemu's emulation of cmpxchg16b without a lock breaks the flags, and only Linux uses it so.</summary>
    private static Task<IReadOnlyList<string>> BootAsync(string image, string commandLine) => OutputAsync("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "pc", "-cpu", "Nehalem", "-smp", "2", "-m", "512", "-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio",
            "-kernel", Path.Combine(Kernel, "vmlinuz"), "-initrd", image, "-append", $"console=ttyS0 quiet panic=-1 clearcpuid=cx16 {commandLine}".TrimEnd());

    /// <summary>An archive of everything the guest has: kernel and servers, busybox, the checks as a native program and the libraries it is linked with.</summary>
    private static async Task<string> BuildAsync()
    {
        await OutputAsync(Path.Combine(Source, "kernel"), Kernel);
        var published = Path.Combine(Source, "bin/published");
        // Nothing that the build leaves running may hold its output open.
        await OutputAsync("dotnet", "publish", Path.Combine(Source, "limitsguest.csproj"), "-c", "Release", "-r", "linux-x64", "-o", published, "-v", "q", "--nologo", "-nodeReuse:false", "-p:UseSharedCompilation=false");
        var root = Directory.CreateTempSubdirectory("eyrie-guest-").FullName;
        foreach (var directory in new[] { "bin", "lib", "lib64", "microkernel", "modules", "new", "proc", "sys", "dev" }) Directory.CreateDirectory(Path.Combine(root, directory));
        File.Copy("/bin/busybox", Path.Combine(root, "bin/busybox"));
        File.Copy(Path.Combine(published, "limitsguest"), Path.Combine(root, "limitsguest"));
        foreach (var name in new[] { "init", "node-of-the-guest" }) File.Copy(Path.Combine(Source, name), Path.Combine(root, name));
        foreach (var name in new[] { "eyrie-kernel", "metteagle", "network" }) File.Copy(Path.Combine(RunningKernel.Binaries, name), Path.Combine(root, "microkernel", name));
        foreach (var module in Directory.EnumerateFiles(Kernel, "*.ko")) File.Copy(module, Path.Combine(root, "modules", Path.GetFileName(module)));
        foreach (var word in (await OutputAsync("ldd", Path.Combine(published, "limitsguest"))).SelectMany(line => line.Split(' ', '\t')).Where(word => word.StartsWith('/')).Distinct())
        {
            Directory.CreateDirectory(Path.GetDirectoryName(root + word)!);
            File.Copy(word, root + word);
        }
        var archive = root + ".cpio";
        await OutputAsync("sh", "-c", $"cd {root} && busybox find . | busybox cpio -o -H newc >{archive} && rm -rf {root}");
        AppDomain.CurrentDomain.ProcessExit += (_, _) => File.Delete(archive);
        return archive;
    }

    private static async Task<IReadOnlyList<string>> OutputAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.StandardInput.Close();
        var lines = new List<string>();
        void Take(object sender, DataReceivedEventArgs received)
        {
            if (received.Data is { } line) lock (lines) lines.Add(line.TrimEnd('\r'));
        }
        process.OutputDataReceived += Take;
        process.ErrorDataReceived += Take;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        using var deadline = new CancellationTokenSource(Deadline);
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} did not end within {Deadline}; it said:\n{string.Join('\n', lines)}");
        }
        if (process.ExitCode != 0) throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"{program} ended with {process.ExitCode}:\n{string.Join('\n', lines)}"));
        return lines;
    }
}
