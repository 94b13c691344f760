namespace Eyrie.Manifests;

/// <summary>Names of images as manifests write them.</summary>
public static class ImageNames
{
    /// <summary>With the tag that is meant where neither tag nor digest is written: as nodes tell the images they have, and the scheduler looks for them.</summary>
    public static string Tagged(string image) => image.LastIndexOf(':') > image.LastIndexOf('/') ? image : image + ":latest";
}
