using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Volumes;
using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Controllers.Tests.Volumes;

/// <summary>The life of a claim and of its volume, decision by decision.</summary>
public sealed class ClaimPlanTests
{
    private static JsonObject Claim(string spec = """ "storageClassName":"local-path" """, string metadata = """ "finalizers":["kubernetes.io/pvc-protection"] """, string phase = "Pending") => Documents.Json($$$"""
        {"metadata":{"name":"data","namespace":"default","uid":"u1",{{{metadata}}}},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},{{{spec}}}},"status":{"phase":"{{{phase}}}"}}
        """);

    private static JsonObject User(string node, string phase = "Running") => Documents.Json($$$"""
        {"metadata":{"name":"p","namespace":"default","uid":"p"},"spec":{"nodeName":"{{{node}}}","volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"data"}}]},"status":{"phase":"{{{phase}}}"}}
        """);

    private static JsonObject Volume(string phase = "Bound", string policy = "Delete", bool deleted = false)
    {
        var storageClass = LocalVolume.StorageClass();
        storageClass["reclaimPolicy"] = policy;
        var volume = LocalVolume.For(Claim(), storageClass, "node-1");
        volume["status"]!["phase"] = phase;
        if (deleted) volume.Metadata()["deletionTimestamp"] = "2026-01-01T00:00:00Z";
        return volume;
    }

    private static IReadOnlyList<WorkloadAction> Decide(JsonObject claim, JsonObject[]? users = null, JsonObject? volume = null) => ClaimPlan.Decide(claim, new ClaimSurroundings([LocalVolume.StorageClass()], _ => volume, users ?? []));

    [Fact]
    public void A_claim_is_protected_and_without_a_class_gets_the_default_one()
    {
        var updated = Assert.IsType<UpdateObject>(Assert.Single(Decide(Claim(""" "volumeMode":"Filesystem" """, """ "labels":{} """)))).Document;
        Assert.Equal("local-path", updated["spec"]!["storageClassName"]!.ToString());
        Assert.Equal("kubernetes.io/pvc-protection", updated["metadata"]!["finalizers"]![0]!.ToString());
    }

    [Fact]
    public void A_claim_waits_for_its_first_pod_to_be_placed() =>
        Assert.Equal("WaitForFirstConsumer", Assert.IsType<Report>(Assert.Single(Decide(Claim(), [User("")]))).Reason);

    [Fact]
    public void A_placed_pod_gives_its_claim_a_volume_on_its_node()
    {
        var actions = Decide(Claim(), [User("node-1")]);
        var volume = Assert.IsType<CreateObject>(actions[0]).Document;
        Assert.Equal(("pvc-u1", "node-1", "1Gi", "Delete"), (volume.Name(), LocalVolume.NodeOf(volume), volume["spec"]!["capacity"]!["storage"]!.ToString(), volume["spec"]!["persistentVolumeReclaimPolicy"]!.ToString()));
        Assert.Equal("pvc-u1", Assert.IsType<UpdateObject>(actions[1]).Document["spec"]!["volumeName"]!.ToString());
    }

    [Fact]
    public void What_was_made_half_is_finished_and_not_made_twice() =>
        Assert.Equal("pvc-u1", Assert.IsType<UpdateObject>(Decide(Claim(), [User("node-2")], Volume())[0]).Document["spec"]!["volumeName"]!.ToString());

    [Fact]
    public void A_claim_with_its_volume_is_bound_with_what_the_volume_has_and_then_nothing_is_done()
    {
        var claim = Claim(""" "storageClassName":"local-path","volumeName":"pvc-u1" """);
        var bound = Assert.IsType<UpdateObjectStatus>(Assert.Single(Decide(claim, [], Volume()))).Document;
        Assert.Equal("""{"phase":"Bound","accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"}}""", bound["status"]!.ToJsonString());
        Assert.Empty(Decide(bound, [], Volume()));
    }

    [Fact]
    public void A_bound_claim_whose_volume_is_gone_is_lost() =>
        Assert.Equal("Lost", Assert.IsType<UpdateObjectStatus>(Decide(Claim(""" "volumeName":"pvc-u1" """, phase: "Bound"))[0]).Document["status"]!["phase"]!.ToString());

    [Theory]
    [InlineData(""" "storageClassName":"fast" """, "storageclass.storage.k8s.io \"fast\" not found")]
    [InlineData(""" "storageClassName":"" """, "no persistent volumes available")]
    [InlineData(""" "storageClassName":"local-path","accessModes":["ReadWriteMany"] """, "only ReadWriteOnce can be had, not ReadWriteMany")]
    [InlineData(""" "storageClassName":"local-path","volumeMode":"Block" """, "volumeMode Block cannot be had")]
    public void What_cannot_be_had_is_said(string spec, string reason)
    {
        var claim = Claim();
        foreach (var (name, value) in Documents.Json("{" + spec + "}")) claim["spec"]![name] = value?.DeepClone();
        Assert.Contains(reason, Assert.IsType<Report>(Assert.Single(Decide(claim, [User("node-1")]))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Running", false)]
    [InlineData("Succeeded", true)]
    public void A_deleted_claim_goes_when_no_pod_uses_it(string phase, bool goes)
    {
        var actions = Decide(Claim(metadata: """ "deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["kubernetes.io/pvc-protection"] """), [User("node-1", phase)], Volume());
        Assert.Equal(goes, actions is [UpdateObject { Document: var document }] && !ObjectStamp.HasFinalizers(document));
        if (!goes) Assert.Empty(actions);
    }

    [Fact]
    public void A_volume_follows_its_claim_to_its_end()
    {
        Assert.Empty(VolumePlan.Decide(Volume(), Claim(), true));
        Assert.Equal("Released", Assert.IsType<UpdateObjectStatus>(Assert.Single(VolumePlan.Decide(Volume(), null, true))).Document.Phase());
        var released = Volume("Released");
        Assert.True(LocalVolume.IsToBeRemoved(released));
        Assert.Empty(VolumePlan.Decide(released, null, true)); // its node has been asked
        Assert.IsType<DeleteObject>(Assert.Single(VolumePlan.Decide(LocalVolume.Removed(released), null, true)));
        Assert.IsType<DeleteObject>(Assert.Single(VolumePlan.Decide(released, null, false))); // nobody is left to ask
        var leaving = Volume("Released", deleted: true);
        Assert.Empty(VolumePlan.Decide(leaving, null, true));
        Assert.False(ObjectStamp.HasFinalizers(Assert.IsType<UpdateObject>(Assert.Single(VolumePlan.Decide(LocalVolume.Removed(leaving), null, true))).Document));
    }

    [Fact]
    public void A_volume_that_is_to_be_kept_stays_and_one_in_use_is_not_removed()
    {
        Assert.Empty(VolumePlan.Decide(Volume("Released", "Retain"), null, true));
        Assert.False(LocalVolume.IsToBeRemoved(Volume("Released", "Retain")));
        Assert.Empty(VolumePlan.Decide(Volume(deleted: true), Claim(), true));
        var other = Claim();
        other.Metadata()["uid"] = "u2";
        Assert.Equal("Released", Assert.IsType<UpdateObjectStatus>(Assert.Single(VolumePlan.Decide(Volume(), other, true))).Document.Phase());
    }
}
