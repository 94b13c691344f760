using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api;

/// <summary>
/// Cluster addresses of Services, the first one of 127.C.0.0/20 that no Service has, and their node ports (<see cref="NodePorts"/>). One at a time on a replica; the store's name key decides between two creates of one
/// Service.
/// </summary>
public sealed class ServiceAddresses(IObjects objects, ApiOptions options)
{
    private readonly SemaphoreSlim _one = new(1, 1);

    public async Task<JsonObject> CreateAsync(JsonObject service, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            var others = (await objects.ListAsync(Kinds.Service, null, cancellationToken)).Items;
            var taken = others.Select(item => item["spec"]?["clusterIP"]?.ToString()).ToHashSet();
            var spec = service["spec"]!.AsObject();
            if (spec.Text("type") == "ExternalName") return await objects.CreateAsync(Kinds.Service, service, cancellationToken); // another name, and no address
            var wanted = spec.Text("clusterIP");
            if (wanted is { Length: > 0 } and not "None" && (taken.Contains(wanted) || !InRange(wanted)))
                throw StatusException.Invalid("Service", service.Metadata().Text("name") ?? "", [new FieldError("spec.clusterIP", $"Invalid value: \"{wanted}\": not in 127.{options.ClusterOctet}.0.0/20, or another Service has it")]);
            if (string.IsNullOrEmpty(wanted))
            {
                wanted = Enumerable.Range(10, 4000).Select(Address).FirstOrDefault(address => !taken.Contains(address))
                    ?? throw new StatusException(500, "InternalError", "every cluster address is in use");
                spec["clusterIP"] = wanted;
            }
            spec["clusterIPs"] = new JsonArray(wanted);
            GivePorts(service, others);
            return await objects.CreateAsync(Kinds.Service, service, cancellationToken);
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Replaces a Service; node ports that it needs now are given.</summary>
    public async Task<JsonObject> UpdateAsync(JsonObject service, CancellationToken cancellationToken)
    {
        if (!NodePorts.Needs(service["spec"])) return await objects.UpdateAsync(Kinds.Service, service, cancellationToken);
        await _one.WaitAsync(cancellationToken);
        try
        {
            GivePorts(service, (await objects.ListAsync(Kinds.Service, null, cancellationToken)).Items.Where(other => ObjectStamp.NameOf(other) != ObjectStamp.NameOf(service)));
            return await objects.UpdateAsync(Kinds.Service, service, cancellationToken);
        }
        finally
        {
            _one.Release();
        }
    }

    private static void GivePorts(JsonObject service, IEnumerable<JsonObject> others)
    {
        if (!NodePorts.Needs(service["spec"])) return;
        var errors = NodePorts.Give(service["spec"]!.AsObject(), others.SelectMany(NodePorts.Of).ToHashSet(), Random.Shared.Next());
        if (errors.Count > 0) throw StatusException.Invalid("Service", service.Metadata().Text("name") ?? "", errors);
    }

    private bool InRange(string address) => Enumerable.Range(1, 4094).Any(index => Address(index) == address);

    private string Address(int index) => string.Create(CultureInfo.InvariantCulture, $"127.{options.ClusterOctet}.{index / 256}.{index % 256}");
}
