<?xml version="1.0"?>
<!-- What a package says of its models and their properties: a line each, MODEL or MODEL.PROPERTY, a space, the text. Methods say nothing new and are left out. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text" encoding="utf-8"/>
  <xsl:template match="/">
    <xsl:for-each select="/doc/members/member[(starts-with(@name, 'T:k8s.Models.') or starts-with(@name, 'P:k8s.Models.')) and normalize-space(summary)]">
      <xsl:value-of select="concat(substring-after(@name, 'k8s.Models.'), ' ', normalize-space(summary), '&#10;')"/>
    </xsl:for-each>
  </xsl:template>
</xsl:stylesheet>
