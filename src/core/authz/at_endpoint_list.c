/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdint.h>
#include <stdlib.h>

#include "core/authz/at_endpoint_list.h"
#include "core/authz/at_path.h"
#include "core/base/at_crypto.h"
#include "core/base/at_line.h"


/* the arguments of "%.*s", shortened to fit into an error */
#define at_str_printf_args(view)                                              \
    (int) ((view).len < 100 ? (view).len : 100), (view).data


/*
 * A tree of segments; the last node of a path has a child for each method.
 * The number of a child is greater than that of its parent; 0 is the root, or
 * no node.
 */
typedef struct {
    const char     *name;       /* of a literal or a method */
    uint32_t        len;
    uint32_t        parent;
    uint32_t        param;      /* the child that is a parameter */
    uint32_t        endpoint;   /* of a method: its index plus 1, else 0 */
    uint32_t        line;       /* of the endpoint that added a child last */
    uint32_t        steps;      /* of the longest search that begins here */
} at_node_t;

/* the hash table finds a literal or a method by its parent and name */
typedef struct {
    uint32_t        hash;
    uint32_t        node;       /* 0: the slot is empty */
    unsigned        is_method;
} at_slot_t;

struct at_endpoint_list_s {
    at_slot_t      *slots;
    size_t          mask;       /* number of slots, a power of two, less 1 */
    at_node_t      *nodes;
    size_t          n_nodes;
    size_t          longest;    /* length of the longest name */

    at_endpoint_t  *endpoints;
    size_t          n_endpoints;

    at_str_t        prefix;
    unsigned        version:1;  /* an optional version follows the prefix */
    unsigned        ignore_case:1;

    char           *text;       /* the bytes of all views */
    size_t          text_len;
};

typedef struct {
    at_endpoint_list_t  *list;
    at_error_t          *err;
    unsigned             line;
} at_parser_t;


/* --- the tree ------------------------------------------------------------ */


static int
at_name_equal(at_str_t a, at_str_t b, int ignore_case)
{
    return ignore_case ? at_str_equal_nocase(a, b) : at_str_equal(a, b);
}


/* FNV-1a, with the upper half folded into the lower half */
static uint32_t
at_node_hash(uint32_t parent, at_str_t name, int ignore_case)
{
    char      c;
    size_t    i;
    uint64_t  hash;

    hash = (0xcbf29ce484222325 ^ parent) * 0x100000001b3;

    for (i = 0; i < name.len; i++) {
        c = ignore_case ? at_lower(name.data[i]) : name.data[i];
        hash = (hash ^ (unsigned char) c) * 0x100000001b3;
    }

    return (uint32_t) (hash ^ hash >> 32);
}


/* the slot of a child, or the empty slot where it belongs */
static at_slot_t *
at_endpoint_list_find_slot(const at_endpoint_list_t *list, uint32_t parent,
    at_str_t name, unsigned is_method)
{
    size_t            i;
    uint32_t          hash;
    at_str_t          found;
    at_slot_t        *slot;
    const at_node_t  *node;

    hash = at_node_hash(parent, name, list->ignore_case);

    for (i = hash; /* void */; i++) {
        slot = &list->slots[i & list->mask];
        node = &list->nodes[slot->node];
        found = (at_str_t) { node->name, node->len };

        if (slot->node == 0
            || (slot->hash == hash && slot->is_method == is_method
                && node->parent == parent
                && at_name_equal(name, found, list->ignore_case
                                              && !is_method)))
        {
            return slot;
        }
    }
}


static uint32_t
at_endpoint_list_add_node(at_parser_t *parser, uint32_t parent, at_str_t name)
{
    uint32_t    n;
    at_node_t  *nodes;

    n = (uint32_t) parser->list->n_nodes++;
    nodes = parser->list->nodes;

    nodes[n].name = name.data;
    nodes[n].len = (uint32_t) name.len;
    nodes[n].parent = parent;
    nodes[parent].line = parser->line;

    return n;
}


static uint32_t
at_endpoint_list_add_name(at_parser_t *parser, uint32_t parent, at_str_t name,
    unsigned is_method)
{
    at_slot_t           *slot;
    at_endpoint_list_t  *list;

    list = parser->list;
    slot = at_endpoint_list_find_slot(list, parent, name, is_method);

    if (slot->node == 0) {
        slot->hash = at_node_hash(parent, name, list->ignore_case);
        slot->node = at_endpoint_list_add_node(parser, parent, name);
        slot->is_method = is_method;

        if (name.len > list->longest) {
            list->longest = name.len;
        }
    }

    return slot->node;
}


/* the node of "METHOD /template", which is created if it does not exist */
static at_node_t *
at_endpoint_list_add_path(at_parser_t *parser, at_str_t method,
    at_str_t template)
{
    uint32_t    node;
    at_str_t    name;
    at_node_t  *nodes;

    nodes = parser->list->nodes;
    node = 0;

    while (template.len) {
        name = at_path_next_segment(&template);

        if (name.len == 0 || name.data[0] != ':') {
            node = at_endpoint_list_add_name(parser, node, name, 0);
            continue;
        }

        if (nodes[node].param == 0) {
            nodes[node].param = at_endpoint_list_add_node(parser, node,
                                                          at_str(""));
        }

        node = nodes[node].param;
    }

    return &nodes[at_endpoint_list_add_name(parser, node, method, 1)];
}


/*
 * At each node the search follows at most one literal child and the parameter.
 * The loop runs from the last node to the first: children precede parents.
 */
static int
at_endpoint_list_check_steps(const at_endpoint_list_t *list, at_error_t *err)
{
    size_t      i;
    at_node_t  *nodes, *node, *parent;

    nodes = list->nodes;

    for (i = list->n_nodes; i-- > 0; /* void */) {
        node = &nodes[i];
        parent = &nodes[node->parent];

        if (node->endpoint) {
            continue;
        }

        node->steps += 1 + (node->param ? nodes[node->param].steps : 0);

        if (node->steps > AT_ENDPOINT_LIST_STEPS_MAX) {
            return at_error(err, "line %u: too many segments, or too many "
                            "literals beside parameters, in paths that begin "
                            "like this one", node->line);
        }

        if (parent->param != i && parent->steps < node->steps) {
            parent->steps = node->steps;
        }
    }

    return 0;
}


/* --- parsing ------------------------------------------------------------- */


/* cuts the next word off line; it is empty at a comment or the end of line */
static at_str_t
at_word_next(at_str_t *line)
{
    at_str_t  word;

    *line = at_str_trim(*line);
    word = (at_str_t) { line->data, 0 };

    if (line->len && *line->data == '#') {
        line->len = 0;
    }

    while (line->len && *line->data != ' ' && *line->data != '\t') {
        line->data++;
        line->len--;
        word.len++;
    }

    return word;
}


static int
at_template_check(const at_parser_t *parser, at_str_t template)
{
    size_t       i;
    at_str_t     rest, segment;
    const char  *reason;

    reason = at_path_is_plain(template) ? NULL : "it is not a normalized path";

    for (i = 0; reason == NULL && i < template.len; i++) {
        if (strchr("*<>{}", template.data[i])) {
            reason = "a parameter is a whole segment \":name\"";
        }
    }

    rest = template;

    while (reason == NULL && rest.len) {
        segment = at_path_next_segment(&rest);

        if (at_str_cut_prefix(&segment, at_str(":"))
            && (segment.len == 0
                || !at_str_has_only(segment, at_str(AT_ALPHANUMERIC "_-"))))
        {
            reason = "the name of a parameter has letters, digits, \"_\" and "
                     "\"-\" only";
        }
    }

    return reason == NULL
           ? 0 : at_error(parser->err, "line %u: invalid path \"%.*s\": %s",
                          parser->line, at_str_printf_args(template), reason);
}


/* consecutive copies are adjacent in memory */
static at_str_t
at_endpoint_list_copy(at_endpoint_list_t *list, at_str_t text)
{
    char  *copy;

    copy = list->text + list->text_len;
    memcpy(copy, text.data, text.len);
    list->text_len += text.len;

    return (at_str_t) { copy, text.len };
}


static int
at_endpoint_list_add(at_parser_t *parser, at_str_t method, at_str_t template,
    at_str_t scope)
{
    char                 id[AT_SHA1_HEX_LEN];
    at_node_t           *node;
    at_endpoint_t       *endpoint;
    at_endpoint_list_t  *list;

    list = parser->list;
    endpoint = &list->endpoints[list->n_endpoints];
    endpoint->line = parser->line;

    method = at_endpoint_list_copy(list, method);
    (void) at_endpoint_list_copy(list, at_str(" "));
    template = at_endpoint_list_copy(list, template);
    endpoint->text = (at_str_t) { method.data, method.len + 1 + template.len };

    if (at_sha1_hex(id, endpoint->text) != 0) {
        return at_error(parser->err, "no memory");
    }

    endpoint->id = at_endpoint_list_copy(list, (at_str_t) { id, sizeof(id) });
    endpoint->scope = scope.len ? at_endpoint_list_copy(list, scope)
                                : endpoint->id;

    if (at_str_equal(scope, at_str("Authenticated"))) {
        endpoint->kind = AT_ENDPOINT_AUTHENTICATED;

    } else if (at_str_equal(scope, at_str("Public"))) {
        endpoint->kind = AT_ENDPOINT_PUBLIC;

    } else if (at_str_equal_nocase(scope, at_str("Authenticated"))
               || at_str_equal_nocase(scope, at_str("Public")))
    {
        return at_error(parser->err, "line %u: invalid scope \"%.*s\": use "
                        "\"Public\" or \"Authenticated\"", parser->line,
                        at_str_printf_args(scope));
    }

    node = at_endpoint_list_add_path(parser, method, template);

    if (node->endpoint) {
        return at_error(parser->err, "line %u: \"%.*s\" is duplicate, see "
                        "line %u", parser->line,
                        at_str_printf_args(endpoint->text),
                        list->endpoints[node->endpoint - 1].line);
    }

    node->endpoint = (uint32_t) ++list->n_endpoints;

    return 0;
}


static int
at_method_check(const at_parser_t *parser, at_str_t method)
{
    if (at_str_equal(method, at_str("HEAD"))) {
        return at_error(parser->err, "line %u: invalid method \"HEAD\": use "
                        "\"GET\", which includes it", parser->line);
    }

    /* nginx accepts these characters in a method */

    if (!at_str_equal(method, at_str("*"))
        && !at_str_has_only(method, at_str(AT_UPPER_CASE "_-")))
    {
        return at_error(parser->err, "line %u: invalid method \"%.*s\": use "
                        "upper case, or \"*\" for any method",
                        parser->line, at_str_printf_args(method));
    }

    return 0;
}


static int
at_endpoint_list_parse_line(at_parser_t *parser, at_str_t line)
{
    at_str_t  rest, method, template, scope, excess;

    rest = line;

    do {
        if (!at_str_is_printable(at_str_cut(&rest, '\t'))) {
            return at_error(parser->err, "line %u: a control character",
                            parser->line);
        }

    } while (rest.len);

    method = at_word_next(&line);
    template = at_word_next(&line);
    scope = at_word_next(&line);
    excess = at_word_next(&line);

    if (method.len == 0) {
        return 0;
    }

    if (at_method_check(parser, method) != 0) {
        return -1;
    }

    if (template.len == 0) {
        return at_error(parser->err, "line %u: no path after the method",
                        parser->line);
    }

    if (at_template_check(parser, template) != 0) {
        return -1;
    }

    if (excess.len) {
        return at_error(parser->err, "line %u: unexpected \"%.*s\" after the "
                        "scope", parser->line, at_str_printf_args(excess));
    }

    return at_endpoint_list_add(parser, method, template, scope);
}


/* allocates for the largest list that the text can contain */
static at_endpoint_list_t *
at_endpoint_list_create(at_str_t text, size_t prefix_len)
{
    size_t               i, lines, nodes, slots;
    at_endpoint_list_t  *list;

    lines = 1;
    nodes = 2;                  /* the root, and the method of the last line */

    for (i = 0; i < text.len; i++) {
        lines += text.data[i] == '\n';
        nodes += text.data[i] == '\n' || text.data[i] == '/';
    }

    for (slots = 16; slots < 2 * nodes; slots *= 2) { /* void */ }

    list = calloc(1, sizeof(at_endpoint_list_t));
    if (list == NULL) {
        return NULL;
    }

    list->mask = slots - 1;
    list->n_nodes = 1;

    list->slots = calloc(slots, sizeof(at_slot_t));
    list->nodes = calloc(nodes, sizeof(at_node_t));
    list->endpoints = calloc(lines, sizeof(at_endpoint_t));
    list->text = malloc(text.len + lines * AT_SHA1_HEX_LEN + prefix_len);

    if (list->slots == NULL || list->nodes == NULL || list->endpoints == NULL
        || list->text == NULL)
    {
        at_endpoint_list_free(list);
        return NULL;
    }

    return list;
}


static int
at_endpoint_list_set_options(at_endpoint_list_t *list,
    const at_endpoint_list_options_t *options, at_error_t *err)
{
    at_str_t  prefix;

    prefix = options->prefix;
    list->ignore_case = options->ignore_case;

    if (prefix.len == 0) {
        return 0;
    }

    if (at_str_equal(prefix, at_str("ipfabric"))) {
        list->version = 1;
        list->prefix = at_str("/api");
        return 0;
    }

    if (!at_path_is_plain(prefix) || prefix.data[prefix.len - 1] == '/') {
        return at_error(err, "invalid prefix \"%.*s\": use \"ipfabric\" or a "
                        "path such as \"/api\"", at_str_printf_args(prefix));
    }

    list->prefix = at_endpoint_list_copy(list, prefix);

    return 0;
}


at_endpoint_list_t *
at_endpoint_list_parse(at_str_t text,
    const at_endpoint_list_options_t *options, at_error_t *err)
{
    at_parser_t          parser;
    at_endpoint_list_t  *list;

    if (text.len > AT_ENDPOINT_LIST_MAX) {
        (void) at_error(err, "larger than %d bytes", AT_ENDPOINT_LIST_MAX);
        return NULL;
    }

    list = at_endpoint_list_create(text, options ? options->prefix.len : 0);
    if (list == NULL) {
        (void) at_error(err, "no memory");
        return NULL;
    }

    if (options && at_endpoint_list_set_options(list, options, err) != 0) {
        goto failed;
    }

    parser = (at_parser_t) { list, err, 0 };

    while (text.len) {
        parser.line++;

        if (at_endpoint_list_parse_line(&parser, at_line_next(&text)) != 0) {
            goto failed;
        }
    }

    if (list->n_endpoints == 0) {
        (void) at_error(err, "no endpoint in the file");
        goto failed;
    }

    if (at_endpoint_list_check_steps(list, err) != 0) {
        goto failed;
    }

    return list;

failed:

    at_endpoint_list_free(list);

    return NULL;
}


void
at_endpoint_list_free(at_endpoint_list_t *list)
{
    if (list == NULL) {
        return;
    }

    free(list->slots);
    free(list->nodes);
    free(list->endpoints);
    free(list->text);
    free(list);
}


/* --- matching ------------------------------------------------------------ */


/* cuts the digits off the beginning; returns their number */
static size_t
at_digits_cut(at_str_t *text)
{
    size_t  n;

    for (n = 0; n < text->len; n++) {
        if (text->data[n] < '0' || text->data[n] > '9') {
            break;
        }
    }

    text->data += n;
    text->len -= n;

    return n;
}


/* cuts off a segment that matches v\d+(\.\d+)?, if another one follows */
static void
at_version_strip(at_str_t *path, int ignore_case)
{
    at_str_t  rest, version;

    rest = *path;
    version = at_path_next_segment(&rest);

    if (rest.len == 0
        || !(at_str_cut_prefix(&version, at_str("v"))
             || (ignore_case && at_str_cut_prefix(&version, at_str("V"))))
        || at_digits_cut(&version) == 0)
    {
        return;
    }

    if (version.len == 0
        || (at_str_cut_prefix(&version, at_str("."))
            && at_digits_cut(&version) != 0 && version.len == 0))
    {
        *path = rest;
    }
}


static uint32_t
at_endpoint_list_find(const at_endpoint_list_t *list, uint32_t parent,
    at_str_t name, unsigned is_method)
{
    return name.len > list->longest ? 0
           : at_endpoint_list_find_slot(list, parent, name, is_method)->node;
}


/* the node of the method, or 0; path is empty or begins with "/" */
static uint32_t
at_endpoint_list_walk(const at_endpoint_list_t *list, uint32_t node,
    at_str_t method, at_str_t path)
{
    uint32_t  found, literal;
    at_str_t  segment;

    if (path.len == 0) {
        found = at_endpoint_list_find(list, node, method, 1);

        return found ? found
                     : at_endpoint_list_find(list, node, at_str("*"), 1);
    }

    segment = at_path_next_segment(&path);
    literal = at_endpoint_list_find(list, node, segment, 0);
    found = 0;

    if (literal) {
        found = at_endpoint_list_walk(list, literal, method, path);
    }

    if (found == 0 && segment.len && list->nodes[node].param) {
        found = at_endpoint_list_walk(list, list->nodes[node].param, method,
                                      path);
    }

    return found;
}


const at_endpoint_t *
at_endpoint_list_match(const at_endpoint_list_t *list, at_str_t method,
    at_str_t path)
{
    uint32_t  node;
    at_str_t  prefix;

    prefix = list->prefix;

    if (path.len <= prefix.len || path.data[prefix.len] != '/'
        || !at_name_equal((at_str_t) { path.data, prefix.len }, prefix,
                          list->ignore_case))
    {
        return NULL;
    }

    path.data += prefix.len;
    path.len -= prefix.len;

    if (list->version) {
        at_version_strip(&path, list->ignore_case);
    }

    if (at_str_equal(method, at_str("HEAD"))) {
        method = at_str("GET");
    }

    node = at_endpoint_list_walk(list, 0, method, path);

    return node ? &list->endpoints[list->nodes[node].endpoint - 1] : NULL;
}
