using Eyrie.Manifests.Permissions;
using Xunit;

namespace Eyrie.Manifests.Tests;

public sealed class QuantityTests
{
    [Theory]
    [InlineData("1", 1000, 1000)]
    [InlineData("0.1", 1000, 100)]
    [InlineData("100m", 1000, 100)]
    [InlineData("1n", 1000, 1)] // rounded up
    [InlineData("1.5Gi", 1, 1610612736)]
    [InlineData("2Pi", 1000, 2251799813685248000)]
    [InlineData("1e3", 1, 1000)]
    [InlineData("12E2", 1, 1200)]
    [InlineData("1E", 1, 1000000000000000000)]
    public void A_quantity_is_read_exactly(string text, int scale, long value)
    {
        Assert.True(Quantity.TryParse(text, scale, out long read));
        Assert.Equal(value, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("lots")]
    [InlineData("1 Gi")]
    [InlineData("1GiB")]
    [InlineData("1.2.3")]
    [InlineData("100Ei")]
    [InlineData("1e400")]
    [InlineData(".")]
    public void What_is_none_is_refused(string text) => Assert.False(Quantity.TryParse(text, 1000, out _));
}
