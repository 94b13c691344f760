using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.Manifests.Tests;

public sealed class QualityOfServiceTests
{
    [Theory]
    [InlineData("""{"containers":[{}]}""", "BestEffort")]
    [InlineData("""{"containers":[{"resources":{"requests":{"cpu":"0"}}}]}""", "BestEffort")]
    [InlineData("""{"containers":[{"resources":{"requests":{"cpu":"100m"}}}]}""", "Burstable")]
    [InlineData("""{"containers":[{"resources":{"limits":{"cpu":"1","memory":"1Gi"}}}]}""", "Guaranteed")]
    [InlineData("""{"containers":[{"resources":{"requests":{"cpu":"1000m","memory":"1024Mi"},"limits":{"cpu":1,"memory":"1Gi"}}}]}""", "Guaranteed")]
    [InlineData("""{"containers":[{"resources":{"requests":{"cpu":"500m"},"limits":{"cpu":"1","memory":"1Gi"}}}]}""", "Burstable")]
    [InlineData("""{"containers":[{"resources":{"limits":{"cpu":"1","memory":"1Gi"}}},{}]}""", "Burstable")]
    [InlineData("""{"initContainers":[{}],"containers":[{"resources":{"limits":{"cpu":"1","memory":"1Gi"}}}]}""", "Burstable")]
    [InlineData("""{"containers":[{"resources":{"limits":{"memory":"1Gi"}}}]}""", "Burstable")]
    public void The_class_follows_from_requests_and_limits(string spec, string expected) => Assert.Equal(expected, QualityOfService.Of(JsonNode.Parse(spec)));
}
