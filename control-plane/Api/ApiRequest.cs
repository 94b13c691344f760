using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api;

/// <summary>What a path means: kind, namespace, name and subresource. Query parameters stay in the request.</summary>
public sealed record ApiRequest(ResourceKind Kind, string? Namespace, string? Name, string? Subresource)
{
    private const string Proxy = "proxy";

    /// <summary>Of a proxy: the path behind it, from its slash on; empty: there is not even one.</summary>
    public string Rest { get; init; } = "";

    /// <summary>null: no resource is served there.</summary>
    public static ApiRequest? Parse(Catalog catalog, string path)
    {
        var parts = path.Trim('/').Split('/');
        string group, version;
        int at;
        if (parts is ["api", _, _, ..]) (group, version, at) = ("", parts[1], 2);
        else if (parts is ["apis", _, _, _, ..]) (group, version, at) = (parts[1], parts[2], 3);
        else return null;
        string? @namespace = null;
        if (parts[at] == "namespaces" && parts.Length > at + 2 && catalog.Find(group, version, parts[at + 2]) is { Namespaced: true }) (@namespace, at) = (parts[at + 1], at + 2);
        if (catalog.Find(group, version, parts[at]) is not { } kind || (parts.Length > at + 3 && parts[at + 2] != Proxy)) return null;
        var subresource = parts.Length > at + 2 ? parts[at + 2] : null;
        if (subresource is not null && !kind.AllSubresources.Any(part => part.Name == subresource)) return null;
        var rest = subresource == Proxy ? path.TrimStart('/')[string.Join('/', parts[..(at + 3)]).Length..] : "";
        return new ApiRequest(kind, @namespace, parts.Length > at + 1 ? parts[at + 1] : null, subresource) { Rest = rest };
    }

    public ObjectName ObjectName => new(Kind.Namespaced ? Namespace ?? "default" : "", Name ?? "");
}
