using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;
using Cel;
using static Eyrie.ControlPlane.Api.CustomResources.RuleFunction;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>Amounts of resources in expressions: <c>quantity('1.5Gi')</c>.</summary>
internal static partial class RuleQuantities
{
    private static readonly Dictionary<string, int> Binary = new() { ["Ki"] = 10, ["Mi"] = 20, ["Gi"] = 30, ["Ti"] = 40, ["Pi"] = 50, ["Ei"] = 60 },
        Decimal = new() { [""] = 0, ["n"] = -9, ["u"] = -6, ["m"] = -3, ["k"] = 3, ["M"] = 6, ["G"] = 9, ["T"] = 12, ["P"] = 15, ["E"] = 18 };

    /// <summary>Digits after the point that are kept, as in Kubernetes: a nano-unit is the smallest.</summary>
    private const int Digits = 9;

    /// <summary>Beyond it an exponent means nothing that could be compared in bounded time.</summary>
    private const int LargestExponent = 100;

    private sealed class Amount(BigInteger nano) : RuleObject("quantity", nano.ToString(CultureInfo.InvariantCulture))
    {
        public BigInteger Nano => nano;
        public bool IsWhole => nano % BigInteger.Pow(10, Digits) == 0;
        public BigInteger Whole => nano / BigInteger.Pow(10, Digits);
    }

    public static readonly Dictionary<string, RuleFunction[]> Functions = new()
    {
        ["quantity"] = [Of<string>(text => Read(text) ?? throw new CelArgumentRangeException($"\"{text}\" is no quantity"))],
        ["isQuantity"] = [Of<string>(text => Read(text) is not null)],
        ["sign"] = [Of<Amount>(one => (long)one.Nano.Sign)],
        ["isInteger"] = [Of<Amount>(one => one.IsWhole && one.Whole >= long.MinValue && one.Whole <= long.MaxValue)],
        ["asInteger"] = [Of<Amount>(one => one.IsWhole ? (long)one.Whole : throw new CelArgumentRangeException("the quantity is no whole number"))],
        ["asApproximateFloat"] = [Of<Amount>(one => (double)one.Nano / 1e9)],
        ["add"] = [Of<Amount, Amount>((one, other) => new Amount(one.Nano + other.Nano)), Of<Amount, long>((one, other) => new Amount(one.Nano + Nano(other)))],
        ["sub"] = [Of<Amount, Amount>((one, other) => new Amount(one.Nano - other.Nano)), Of<Amount, long>((one, other) => new Amount(one.Nano - Nano(other)))],
        ["isLessThan"] = [Of<Amount, Amount>((one, other) => one.Nano < other.Nano)],
        ["isGreaterThan"] = [Of<Amount, Amount>((one, other) => one.Nano > other.Nano)],
        ["compareTo"] = [Of<Amount, Amount>((one, other) => (long)one.Nano.CompareTo(other.Nano))],
    };

    private static BigInteger Nano(long whole) => whole * BigInteger.Pow(10, Digits);

    /// <summary>null: it is no quantity. What is smaller than a nano-unit is rounded away from zero.</summary>
    private static Amount? Read(string text)
    {
        if (Form().Match(text) is not { Success: true } match) return null;
        var (number, suffix) = (match.Groups["number"].Value, match.Groups["suffix"].Value);
        int point = number.IndexOf('.', StringComparison.Ordinal), fraction = point < 0 ? 0 : number.Length - point - 1;
        var digits = BigInteger.Parse("0" + number.Replace(".", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
        int exponent = Digits - fraction;
        if (Binary.TryGetValue(suffix, out int shift)) digits <<= shift;
        else if (Decimal.TryGetValue(suffix, out int power)) exponent += power;
        else if (int.TryParse(suffix[1..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int written) && Math.Abs(written) <= LargestExponent) exponent += written;
        else return null;
        if (exponent >= 0) digits *= BigInteger.Pow(10, exponent);
        else
        {
            digits = BigInteger.DivRem(digits, BigInteger.Pow(10, -exponent), out var rest);
            if (!rest.IsZero) digits++;
        }
        return new Amount(match.Groups["sign"].Value == "-" ? -digits : digits);
    }

    [GeneratedRegex(@"^(?<sign>[+-]?)(?<number>[0-9]{1,100}(\.[0-9]{0,100})?|\.[0-9]{1,100})(?<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}
