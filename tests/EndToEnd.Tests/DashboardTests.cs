using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Eyrie.EndToEnd.Tests;

/// <summary>The dashboard in a real browser (Debian's chromium).</summary>
public sealed class DashboardTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    private static readonly LocatorAssertionsToBeVisibleOptions Soon = new() { Timeout = 30_000 };

    private static async Task<IBrowser> BrowserAsync(IPlaywright playwright)
    {
        SetDefaultExpectTimeout(30_000); // 5 s otherwise
        return await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = "/usr/bin/chromium", Headless = true, Args = ["--no-sandbox"] });
    }

    private static Task<IPage> PageAsync(IBrowser browser, int width = 1280) =>
        browser.NewPageAsync(new BrowserNewPageOptions { IgnoreHTTPSErrors = true, ViewportSize = new ViewportSize { Width = width, Height = 900 } });

    private async Task<string> AddressAsync() => (await cluster.EyrieAsync("dashboard")).Output.Trim();

    [Fact]
    public async Task It_shows_nodes_workloads_and_pods_and_a_change_without_a_reload()
    {
        var address = await AddressAsync();
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await BrowserAsync(playwright);
        var page = await PageAsync(browser);
        List<string> errors = [], elsewhere = [];
        page.Console += (_, message) => { if (message.Type == "error") errors.Add(message.Text); };
        page.PageError += (_, error) => errors.Add(error);
        page.Request += (_, request) => { if (!request.Url.StartsWith("data:", StringComparison.Ordinal) && new Uri(request.Url).Authority != new Uri(address).Authority) elsewhere.Add(request.Url); };
        await page.GotoAsync(address);
        await Expect(page).ToHaveURLAsync(new Regex("/dashboard$"));
        await Expect(page.GetByRole(AriaRole.Row, new() { NameRegex = new Regex("^node-0 .*Ready") })).ToBeVisibleAsync(Soon);
        await Expect(page.GetByRole(AriaRole.Row, new() { NameRegex = new Regex("^hello default .*3.3") })).ToBeVisibleAsync(Soon);
        var pods = page.GetByRole(AriaRole.Button, new() { NameRegex = new Regex("^hello-") });
        await Expect(pods).ToHaveCountAsync(3);
        await page.EvaluateAsync("window.notReloaded = true");
        var (code, output) = await cluster.KubectlAsync("scale", "deploy/hello", "--replicas=4");
        Assert.True(code == 0, output);
        await Expect(page.GetByRole(AriaRole.Row, new() { NameRegex = new Regex("^hello default .*4.4") })).ToBeVisibleAsync(Soon);
        await Expect(pods).ToHaveCountAsync(4);
        Assert.True(await page.EvaluateAsync<bool>("window.notReloaded"));
        await cluster.KubectlAsync("scale", "deploy/hello", "--replicas=3");
        await Expect(pods).ToHaveCountAsync(3, new() { Timeout = 60_000 }); // its connections may end and its grace pass first, 15 s
        await KeepPictureAsync(page, "cluster");
        Assert.Empty(errors);
        Assert.Empty(elsewhere);
    }

    [Fact]
    public async Task A_pod_shows_what_it_may_and_what_was_refused_with_the_lines_that_would_allow_it()
    {
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await BrowserAsync(playwright);
        var page = await PageAsync(browser);
        await page.GotoAsync(await AddressAsync());
        var open = page.GetByRole(AriaRole.Button, new() { NameRegex = new Regex("^uninvited-") });
        await Expect(open).ToBeVisibleAsync(Soon);
        await Expect(page.Locator("main[data-live]")).ToBeVisibleAsync(Soon);
        await open.FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        var panel = page.GetByRole(AriaRole.Complementary);
        await Expect(panel.GetByText("equal to the compiled set")).ToBeVisibleAsync(Soon);
        await Expect(panel.GetByText("dir / read")).ToBeVisibleAsync();
        await Expect(panel.GetByText("missing grant: connect tcp service default/hello 80").First).ToBeVisibleAsync(Soon);
        await KeepPictureAsync(page, "pod");
    }

    [Fact]
    public async Task On_a_narrow_screen_nothing_runs_over_the_edge()
    {
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await BrowserAsync(playwright);
        var page = await PageAsync(browser, 400);
        await page.GotoAsync(await AddressAsync());
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Pods" })).ToBeVisibleAsync(Soon);
        await KeepPictureAsync(page, "narrow");
        Assert.True(await page.EvaluateAsync<int>("document.documentElement.scrollWidth") <= 400);
    }

    [Fact]
    public async Task Without_its_address_nothing_is_seen()
    {
        var origin = new Uri(await AddressAsync()).GetLeftPart(UriPartial.Authority);
        using var client = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, _, _, _) => true }, UseProxy = false });
        foreach (var path in new[] { "/dashboard", "/dashboard/sign-in#" + new string('0', 64) })
        {
            var text = await client.GetStringAsync(new Uri(origin + path));
            Assert.Contains("./eyrie dashboard", text, StringComparison.Ordinal);
            Assert.DoesNotContain("node-0", text, StringComparison.Ordinal);
        }
        using var wrong = await client.PostAsync(new Uri(origin + "/dashboard/sign-in"), new FormUrlEncodedContent([KeyValuePair.Create("token", new string('0', 64))]));
        Assert.Equal(403, (int)wrong.StatusCode);
        using var forged = new HttpRequestMessage(HttpMethod.Get, origin + "/dashboard");
        forged.Headers.Add("Cookie", "eyrie-dashboard=9999999999." + new string('0', 64));
        using var answer = await client.SendAsync(forged);
        Assert.DoesNotContain("node-0", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        foreach (var path in new[] { "/_blazor/negotiate", "/_framework/blazor.web.js" })
            Assert.Equal(401, (int)(await client.GetAsync(new Uri(origin + path))).StatusCode);
    }

    /// <summary>With EYRIE_PICTURES set to a folder, what the browser showed is kept there to be looked at.</summary>
    private static async Task KeepPictureAsync(IPage page, string name)
    {
        if (Environment.GetEnvironmentVariable("EYRIE_PICTURES") is { Length: > 0 } folder) await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(folder, name + ".png"), FullPage = true });
    }
}
