using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Api.Schemas;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>What is published of the standard kinds is what the models package says of them.</summary>
[Collection(nameof(ApiServer))]
public sealed class DescriptionTests(ApiServer server)
{
    [Fact]
    public void Nearly_every_standard_kind_and_field_is_described()
    {
        var descriptions = Descriptions.Read();
        var (seen, silent) = (new HashSet<string>(), new List<string>());
        void Visit(Schema? schema)
        {
            if (schema is null || (schema.TypeDescribed is { } type && !Note(type))) return;
            foreach (var field in schema.Properties.Values)
            {
                if (field.FieldDescribed is { } name) Note(name);
                Visit(field);
            }
            Visit(schema.Items);
            Visit(schema.Values);
        }

        bool Note(string subject)
        {
            if (!seen.Add(subject)) return false;
            if (descriptions.Of(subject).Length == 0) silent.Add(subject);
            return true;
        }

        var catalog = new Catalog();
        foreach (var kind in catalog.Kinds) Visit(catalog.SchemaOf(kind));
        Assert.InRange(seen.Count, 2000, 10_000);
        Assert.True(silent.Count * 50 < seen.Count, string.Join(", ", silent)); // what the package itself does not document
    }

    [Fact]
    public async Task Kubectl_explains_kinds_and_fields_in_the_words_of_Kubernetes()
    {
        var output = await server.KubectlAsync("explained", """
            words() { tr -s ' \n' ' '; echo; }
            K explain pod.spec.containers.args | words
            K explain pod.spec.containers.args --output=plaintext-openapiv2 | words
            K explain deploy | words
            K explain pod.spec.containers.permissions.clock | words
            """);
        Assert.Equal(2, output.Split("Arguments to the entrypoint. The container image's CMD is used if this is not provided.").Length - 1);
        Assert.Contains("Deployment enables declarative updates for Pods and ReplicaSets.", output, StringComparison.Ordinal);
        Assert.Contains("Specification of the desired behavior of the Deployment.", output, StringComparison.Ordinal);
        Assert.DoesNotContain("<empty>", output.Split("clock")[0], StringComparison.Ordinal);
    }
}
