using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Resources;

/// <summary>An object as the text that is stored: served without being read. Only the resourceVersion, which the store knows and the text does not say, is put in.</summary>
/// <param name="Entry">As the store holds it.</param>
public readonly record struct EncodedObject(StoreEntry Entry)
{
    /// <summary>JSON, UTF-8.</summary>
    public ReadOnlyMemory<byte> Stored => Entry.Value;

    /// <summary>Revision of its last change.</summary>
    public Revision At => Entry.Modified;

    /// <summary>The object itself, read anew: the caller's own.</summary>
    public JsonObject Read()
    {
        var document = DocumentReader.Read(Stored.Span);
        document.Metadata()["resourceVersion"] = At.ToString();
        return document;
    }

    public void WriteTo(IBufferWriter<byte> target)
    {
        var stored = Stored.Span;
        int place = MetadataStart(stored);
        target.Write(stored[..place]);
        target.Write("\"resourceVersion\":\""u8);
        target.Write(Encoding.ASCII.GetBytes(At.Value.ToString(CultureInfo.InvariantCulture)));
        target.Write(stored[place] == (byte)'}' ? "\""u8 : "\","u8);
        target.Write(stored[place..]);
    }

    /// <summary>The place after the brace that opens the metadata of the object itself.</summary>
    private static int MetadataStart(ReadOnlySpan<byte> stored)
    {
        var reader = new Utf8JsonReader(stored);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool metadata = reader.ValueTextEquals("metadata"u8);
            reader.Read();
            if (metadata && reader.TokenType == JsonTokenType.StartObject) return (int)reader.BytesConsumed;
            reader.Skip();
        }
        throw new InvalidDataException("a stored object has no metadata");
    }
}

/// <param name="Items">The objects.</param>
/// <param name="At">Revision they were read at.</param>
/// <param name="Last">Key of the last one, when there are more; null: that was all.</param>
/// <param name="Remaining">How many there are after it.</param>
public sealed record EncodedPage(IReadOnlyList<EncodedObject> Items, Revision At, string? Last, long Remaining);
