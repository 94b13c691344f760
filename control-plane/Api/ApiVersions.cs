using System.Globalization;
using System.Text.RegularExpressions;

namespace Eyrie.ControlPlane.Api;

/// <summary>The order of versions of a group, as Kubernetes has it: v2, v1, v2beta1, v1beta2, v1alpha1.</summary>
public static partial class ApiVersions
{
    /// <summary>Greater is preferred.</summary>
    public static (int Stage, int Major, int Minor) Rank(string version)
    {
        var match = Form().Match(version);
        if (!match.Success) return (0, 0, 0);
        int Number(int group) => int.TryParse(match.Groups[group].Value, CultureInfo.InvariantCulture, out int number) ? number : 0;
        return (match.Groups[2].Value switch { "" => 3, "beta" => 2, _ => 1 }, Number(1), Number(3));
    }

    [GeneratedRegex("^v([0-9]{1,4})(?:(alpha|beta)([0-9]{1,4}))?$")]
    private static partial Regex Form();
}
