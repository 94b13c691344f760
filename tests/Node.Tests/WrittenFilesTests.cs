using Xunit;

namespace Eyrie.Node.Tests;

public sealed class WrittenFilesTests
{
    private static readonly string[] Image = ["/etc", "/etc/passwd", "/var", "/var/cache", "/var/cache/nginx", "/run"];

    private static IEnumerable<string> Of(params string[] upper) => WrittenFiles.Of([.. upper.Select(path => new LayerEntry(path.TrimEnd('/'), path.EndsWith('/')))], Image.Contains, ["/etc/hosts", "/made/volume"])
        .Select(file => $"{file.Path} in {file.Directory}");

    [Fact]
    public void A_file_needs_its_directory() => Assert.Equal(["/etc/passwd in /etc", "/run/web.pid in /run", "/core in /"], Of("/etc/", "/etc/passwd", "/run/", "/run/web.pid", "/core"));

    [Fact]
    public void A_new_directory_needs_the_one_it_was_made_in_and_what_is_in_it_nothing_more() =>
        Assert.Equal(["/var/cache/nginx/proxy in /var/cache/nginx"], Of("/var/", "/var/cache/", "/var/cache/nginx/", "/var/cache/nginx/proxy/", "/var/cache/nginx/proxy/1/", "/var/cache/nginx/proxy/1/file"));

    [Fact]
    public void A_directory_that_only_changed_itself_needs_itself() => Assert.Equal(["/var/cache/nginx in /var/cache/nginx"], Of("/var/", "/var/cache/", "/var/cache/nginx/"));

    [Fact]
    public void Points_of_mounts_are_the_nodes_work() => Assert.Equal(["/made/by-program in /made"], Of("/etc/", "/etc/hosts", "/proc/", "/dev/", "/made/", "/made/volume/", "/made/by-program"));

    [Fact]
    public void What_no_entry_can_name_is_granted_by_what_holds_it() =>
        Assert.Equal([new("/var/a b/c", "/var")], WrittenFiles.Of([new("/var", true), new("/var/a b", true), new("/var/a b/c", false)], path => path is "/var" or "/var/a b", []));

    [Fact]
    public void A_link_that_a_container_put_there_is_not_followed()
    {
        var root = Directory.CreateTempSubdirectory("eyrie-written-").FullName;
        try
        {
            Directory.CreateDirectory(Path.Combine(root, "upper/deep"));
            File.WriteAllText(Path.Combine(root, "upper/deep/file"), "");
            File.CreateSymbolicLink(Path.Combine(root, "upper/deep/host"), "/etc");
            Assert.Equal([new("/deep", true), new("/deep/file", false), new("/deep/host", false)], HostFiles.Beneath(Path.Combine(root, "upper"), 100).OrderBy(entry => entry.Path, StringComparer.Ordinal));
            File.CreateSymbolicLink(Path.Combine(root, "link"), "/etc");
            Assert.Empty(HostFiles.Beneath(Path.Combine(root, "link"), 100));
        }
        finally
        {
            Directory.Delete(root, true);
        }
    }
}
