namespace Eyrie.ControlPlane.Api.Access;

/// <summary>Who a request comes from.</summary>
public sealed record Subject(string Name, IReadOnlyList<string> Groups)
{
    /// <summary>Members may do everything; no rule is looked at.</summary>
    public const string Masters = "system:masters";

    public const string Authenticated = "system:authenticated", AccountPrefix = "system:serviceaccount:";

    /// <summary>Whoever holds the cluster's administrator token.</summary>
    public static readonly Subject Administrator = new("admin", [Masters, Authenticated]);

    /// <summary>Empty: none is known.</summary>
    public string Uid { get; init; } = "";
    /// <summary>What else is known, e.g. the pod that a token is bound to.</summary>
    public IReadOnlyDictionary<string, string> Extra { get; init; } = new Dictionary<string, string>();

    public bool IsMaster => Groups.Contains(Masters);

    public static Subject Account(string @namespace, string name) => new($"{AccountPrefix}{@namespace}:{name}", AccountGroups(@namespace));

    public static IReadOnlyList<string> AccountGroups(string @namespace) => ["system:serviceaccounts", "system:serviceaccounts:" + @namespace, Authenticated];
}

/// <summary>What somebody wants to do. Fields are empty where they do not apply; <paramref name="Path"/> is a path that is no resource.</summary>
public sealed record AccessRequest(string Verb, string Group, string Resource, string Subresource, string Name, string Namespace, string Path);

/// <summary>What was decided, with the binding that allowed it.</summary>
public sealed record AccessDecision(bool Allowed, string Reason);
