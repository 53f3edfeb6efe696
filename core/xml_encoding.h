/* XML in encodings that Expat does not know: windows-1252, GBK and whatever else the system's iconv
 * can read. */
#ifndef BALLAST_CORE_XML_ENCODING_H
#define BALLAST_CORE_XML_ENCODING_H

#include <stddef.h>

#include "core/status.h"

/* Converts a document to UTF-8 by what its declaration says (<?xml ... encoding="..."?>).
 * *out is malloc'd, or NULL when Expat reads the document as it is. BL_EFORMAT, naming the
 * encoding, when the system does not know it or the text is not in it. `name` stands
 * for the file. */
bl_status bl_xml_to_utf8(const void *data, size_t size, const char *name, char **out,
                         size_t *out_size);

#endif
