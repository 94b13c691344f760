using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>A number of pods, given as a number or as a percentage of all.</summary>
public static class Portion
{
    /// <param name="up">Whether a percentage is rounded up.</param>
    /// <exception cref="FormatException">Neither.</exception>
    public static int Of(JsonNode? value, string absent, int all, bool up)
    {
        var text = value?.ToString() ?? absent;
        if (!text.EndsWith('%')) return int.Parse(text, CultureInfo.InvariantCulture);
        long share = (long)all * int.Parse(text[..^1], CultureInfo.InvariantCulture);
        return (int)((share + (up ? 99 : 0)) / 100);
    }
}
