using System.Formats.Asn1;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>Values of a distinguished name (X.501): also of the sets of several values that clients write for several groups.</summary>
public static class DistinguishedNames
{
    public const string CommonName = "2.5.4.3", Organization = "2.5.4.10";

    /// <param name="encoded">DER.</param>
    /// <param name="type">Object identifier of the attribute.</param>
    /// <exception cref="AsnContentException">It is no distinguished name.</exception>
    public static IReadOnlyList<string> Values(byte[] encoded, string type)
    {
        var found = new List<string>();
        var sets = new AsnReader(encoded, AsnEncodingRules.DER).ReadSequence();
        while (sets.HasData)
        {
            var set = sets.ReadSetOf(skipSortOrderValidation: true);
            while (set.HasData)
            {
                var pair = set.ReadSequence();
                bool wanted = pair.ReadObjectIdentifier() == type;
                var tag = (UniversalTagNumber)pair.PeekTag().TagValue;
                if (wanted && tag is UniversalTagNumber.UTF8String or UniversalTagNumber.PrintableString or UniversalTagNumber.IA5String) found.Add(pair.ReadCharacterString(tag));
            }
        }
        return found;
    }
}
