using System.Globalization;
using Cel;
using static Eyrie.ControlPlane.Api.CustomResources.RuleFunction;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>Numbers: <c>math.greatest</c>, <c>math.abs</c>, <c>math.bitAnd</c> and the others.</summary>
internal static class RuleMath
{
    /// <summary>What the functions stand behind.</summary>
    public sealed class Library;

    public static readonly Dictionary<string, RuleFunction[]> Functions = new()
    {
        [RuleRewriter.Greatest] = [Of<object?[]>(list => Extreme(list, 1)), Of<long>(one => one), Of<double>(one => one)],
        [RuleRewriter.Least] = [Of<object?[]>(list => Extreme(list, -1)), Of<long>(one => one), Of<double>(one => one)],
        ["ceil"] = [Of<Library, double>((_, number) => Math.Ceiling(number))],
        ["floor"] = [Of<Library, double>((_, number) => Math.Floor(number))],
        ["round"] = [Of<Library, double>((_, number) => Math.Round(number, MidpointRounding.AwayFromZero))],
        ["trunc"] = [Of<Library, double>((_, number) => Math.Truncate(number))],
        ["sqrt"] = [Of<Library, double>((_, number) => Math.Sqrt(number)), Of<Library, long>((_, number) => Math.Sqrt(number))],
        ["abs"] = [Of<Library, long>((_, number) => number == long.MinValue ? throw new CelArgumentRangeException("integer overflow") : Math.Abs(number)), Of<Library, double>((_, number) => Math.Abs(number))],
        ["sign"] = [Of<Library, long>((_, number) => (long)Math.Sign(number)), Of<Library, double>((_, number) => double.IsNaN(number) ? number : (double)Math.Sign(number))],
        ["isNaN"] = [Of<Library, double>((_, number) => double.IsNaN(number))],
        ["isInf"] = [Of<Library, double>((_, number) => double.IsInfinity(number))],
        ["isFinite"] = [Of<Library, double>((_, number) => double.IsFinite(number))],
        ["bitAnd"] = [Of<Library, long, long>((_, one, other) => one & other)],
        ["bitOr"] = [Of<Library, long, long>((_, one, other) => one | other)],
        ["bitXor"] = [Of<Library, long, long>((_, one, other) => one ^ other)],
        ["bitNot"] = [Of<Library, long>((_, one) => ~one)],
        ["bitShiftLeft"] = [Of<Library, long, long>((_, one, by) => Shifted(by, by > 63 ? 0 : one << (int)by))],
        ["bitShiftRight"] = [Of<Library, long, long>((_, one, by) => Shifted(by, by > 63 ? 0 : (long)((ulong)one >> (int)by)))],
    };

    private static long Shifted(long by, long made) => by >= 0 ? made : throw new CelArgumentRangeException($"math.bitShift: negative offset: {by}");

    private static object Extreme(object?[] list, int sign)
    {
        if (list.Length == 0 || list.Any(item => item is not (long or double or ulong))) throw new CelNoSuchOverloadException("math.greatest and math.least are of numbers");
        return list.Aggregate((best, item) => Number(item).CompareTo(Number(best)) * sign > 0 ? item : best)!;
    }

    private static double Number(object? value) => Convert.ToDouble(value, CultureInfo.InvariantCulture);
}
