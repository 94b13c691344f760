using System.Net.Http.Headers;
using Microsoft.AspNetCore.Http;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>The token that a request shows. Pure.</summary>
public static class BearerToken
{
    /// <summary>Empty: it shows none, or in no form that is known.</summary>
    public static string Of(HttpRequest request) => Header(request) is { Parameter: { } token } header && string.Equals(header.Scheme, "Bearer", StringComparison.OrdinalIgnoreCase) ? token : "";

    /// <summary>The request's credentials; null: there are none, or more than one.</summary>
    public static AuthenticationHeaderValue? Header(HttpRequest request) => AuthenticationHeaderValue.TryParse(request.Headers.Authorization, out var header) ? header : null;
}
