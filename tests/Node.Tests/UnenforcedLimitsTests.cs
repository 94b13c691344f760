using Eyrie.Microkernel.Abi;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class UnenforcedLimitsTests
{
    [Fact]
    public void A_host_that_enforces_everything_has_no_condition() => Assert.Null(UnenforcedLimits.Message(LimitKinds.All));

    [Theory]
    [InlineData(LimitKinds.None, "Limits of memory and processes are not enforced by the host: the kernel looks twice a second and kills a container that has more, which may harm its neighbours until then. CPU requests and limits have no effect. Give")]
    [InlineData(LimitKinds.Memory | LimitKinds.Processes, "CPU requests and limits have no effect. Give")]
    [InlineData(LimitKinds.Memory | LimitKinds.Cpu, "Limits of processes are not enforced by the host: the kernel looks twice a second and kills a container that has more, which may harm its neighbours until then. Give")]
    public void What_is_not_enforced_is_said_and_what_becomes_of_it(LimitKinds enforced, string begins) => Assert.StartsWith(begins, UnenforcedLimits.Message(enforced), StringComparison.Ordinal);
}
