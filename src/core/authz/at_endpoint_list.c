/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ctype.h>
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
 * A tree of segments: the children of the root are the methods, their children
 * are the first segments.  The number of a child is greater than that of its
 * parent; 0 is the root, or no node.
 */
typedef struct {
    const char     *name;       /* of a literal */
    uint32_t        len;
    uint32_t        parent;
    uint32_t        param;      /* the child that is a parameter */
    uint32_t        endpoint;   /* its index plus 1; 0: none */
    uint32_t        line;       /* of the endpoint that created the node */
    uint32_t        steps;      /* of the longest search that begins here */
} at_node_t;

/* the hash table finds a literal child by its parent and name */
typedef struct {
    uint32_t        hash;
    uint32_t        node;       /* 0: the slot is empty */
} at_slot_t;

struct at_endpoint_list_s {
    at_slot_t      *slots;
    size_t          mask;       /* number of slots, a power of two, less 1 */
    at_node_t      *nodes;
    size_t          n_nodes;
    size_t          longest;    /* length of the longest literal */

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


/* the slot of a literal, or the empty slot where it belongs */
static at_slot_t *
at_endpoint_list_find_slot(const at_endpoint_list_t *list, uint32_t parent,
    at_str_t name, int ignore_case)
{
    size_t            i;
    uint32_t          hash;
    at_slot_t        *slot;
    const at_node_t  *node;

    hash = at_node_hash(parent, name, ignore_case);

    for (i = hash; /* void */; i++) {
        slot = &list->slots[i & list->mask];
        node = &list->nodes[slot->node];

        if (slot->node == 0
            || (slot->hash == hash && node->parent == parent
                && at_name_equal(name, (at_str_t) { node->name, node->len },
                                 ignore_case)))
        {
            return slot;
        }
    }
}


static uint32_t
at_endpoint_list_add_node(at_parser_t *parser, uint32_t parent, at_str_t name)
{
    uint32_t    n;
    at_node_t  *node;

    n = (uint32_t) parser->list->n_nodes++;
    node = &parser->list->nodes[n];

    node->name = name.data;
    node->len = (uint32_t) name.len;
    node->parent = parent;
    node->line = parser->line;

    return n;
}


static uint32_t
at_endpoint_list_add_literal(at_parser_t *parser, uint32_t parent,
    at_str_t name, int ignore_case)
{
    at_slot_t           *slot;
    at_endpoint_list_t  *list;

    list = parser->list;
    slot = at_endpoint_list_find_slot(list, parent, name, ignore_case);

    if (slot->node == 0) {
        slot->hash = at_node_hash(parent, name, ignore_case);
        slot->node = at_endpoint_list_add_node(parser, parent, name);

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
    node = at_endpoint_list_add_literal(parser, 0, method, 0);

    while (template.len) {
        name = at_path_next_segment(&template);

        if (name.len == 0 || name.data[0] != ':') {
            node = at_endpoint_list_add_literal(parser, node, name,
                                                parser->list->ignore_case);
            continue;
        }

        if (nodes[node].param == 0) {
            nodes[node].param = at_endpoint_list_add_node(parser, node,
                                                          at_str(""));
        }

        node = nodes[node].param;
    }

    return &nodes[node];
}


/*
 * At each node the search follows at most one literal child and the parameter.
 * The loop runs from the last node to the first: children precede parents.
 */
static int
at_endpoint_list_check_steps(const at_endpoint_list_t *list, at_error_t *err)
{
    uint32_t    i;
    at_node_t  *nodes, *node, *parent;

    nodes = list->nodes;

    for (i = (uint32_t) list->n_nodes - 1; i > 0; i--) {
        node = &nodes[i];
        parent = &nodes[node->parent];

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
    size_t    i, begin;
    at_str_t  word;

    i = 0;

    while (i < line->len && (line->data[i] == ' ' || line->data[i] == '\t')) {
        i++;
    }

    if (i < line->len && line->data[i] == '#') {
        i = line->len;
    }

    begin = i;

    while (i < line->len && line->data[i] != ' ' && line->data[i] != '\t') {
        i++;
    }

    word = (at_str_t) { line->data + begin, i - begin };

    line->data += i;
    line->len -= i;

    return word;
}


/* nginx accepts these characters in a method */
static int
at_method_check(const at_parser_t *parser, at_str_t method)
{
    char    c;
    size_t  i;

    if (at_str_equal(method, at_str("*"))) {
        return 0;
    }

    if (at_str_equal(method, at_str("HEAD"))) {
        return at_error(parser->err, "line %u: invalid method \"HEAD\": use "
                        "\"GET\", which includes it", parser->line);
    }

    for (i = 0; i < method.len; i++) {
        c = method.data[i];

        if ((c < 'A' || c > 'Z') && c != '_' && c != '-') {
            return at_error(parser->err, "line %u: invalid method \"%.*s\": "
                            "use upper case, or \"*\" for any method",
                            parser->line, at_str_printf_args(method));
        }
    }

    return 0;
}


static int
at_param_name_is_valid(at_str_t name)
{
    char    c;
    size_t  i;

    for (i = 0; i < name.len; i++) {
        c = at_lower(name.data[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9')
            && c != '_' && c != '-')
        {
            return 0;
        }
    }

    return name.len > 0;
}


static int
at_template_check(const at_parser_t *parser, at_str_t template)
{
    size_t       i;
    at_str_t     rest, segment;
    const char  *reason;

    reason = NULL;

    if (!at_path_is_plain(template)) {
        reason = "it is not a normalized path";
        goto invalid;
    }

    for (i = 0; i < template.len; i++) {
        if (strchr("*<>{}", template.data[i])) {
            reason = "a parameter is a whole segment \":name\"";
            goto invalid;
        }
    }

    rest = template;

    while (rest.len) {
        segment = at_path_next_segment(&rest);

        if (segment.len && segment.data[0] == ':'
            && !at_param_name_is_valid((at_str_t) { segment.data + 1,
                                                    segment.len - 1 }))
        {
            reason = "the name of a parameter has letters, digits, \"_\" and "
                     "\"-\" only";
            goto invalid;
        }
    }

    return 0;

invalid:

    return at_error(parser->err, "line %u: invalid path \"%.*s\": %s",
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
    at_str_t             space;
    at_node_t           *node;
    at_endpoint_t       *endpoint;
    at_endpoint_list_t  *list;

    list = parser->list;
    endpoint = &list->endpoints[list->n_endpoints];
    endpoint->line = parser->line;

    method = at_endpoint_list_copy(list, method);
    space = at_endpoint_list_copy(list, at_str(" "));
    template = at_endpoint_list_copy(list, template);
    endpoint->text = (at_str_t) { method.data, method.len + space.len
                                               + template.len };

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
at_endpoint_list_parse_line(at_parser_t *parser, at_str_t line)
{
    size_t         i;
    at_str_t       method, template, scope, excess;
    unsigned char  c;

    for (i = 0; i < line.len; i++) {
        c = (unsigned char) line.data[i];

        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return at_error(parser->err, "line %u: a control character",
                            parser->line);
        }
    }

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


static size_t
at_str_count_char(at_str_t text, char c)
{
    size_t  i, n;

    n = 0;

    for (i = 0; i < text.len; i++) {
        n += (text.data[i] == c);
    }

    return n;
}


/* allocates for the largest list that the text can contain */
static at_endpoint_list_t *
at_endpoint_list_create(at_str_t text, size_t prefix_len)
{
    size_t               lines, nodes, slots;
    at_endpoint_list_t  *list;

    lines = at_str_count_char(text, '\n') + 1;
    nodes = 1 + lines + at_str_count_char(text, '/');

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


size_t
at_endpoint_list_count(const at_endpoint_list_t *list)
{
    return list->n_endpoints;
}


const at_endpoint_t *
at_endpoint_list_get(const at_endpoint_list_t *list, size_t i)
{
    return &list->endpoints[i];
}


/* --- matching ------------------------------------------------------------ */


/* cuts off a segment that matches v\d(\.\d+)?, if another segment follows */
static void
at_version_strip(at_str_t *path, int ignore_case)
{
    char      v;
    size_t    i;
    at_str_t  rest, version;

    rest = *path;
    version = at_path_next_segment(&rest);

    if (rest.len == 0 || version.len < 2) {
        return;
    }

    v = ignore_case ? at_lower(version.data[0]) : version.data[0];

    if (v != 'v' || !isdigit((unsigned char) version.data[1])
        || version.len == 3 || (version.len > 3 && version.data[2] != '.'))
    {
        return;
    }

    for (i = 3; i < version.len; i++) {
        if (!isdigit((unsigned char) version.data[i])) {
            return;
        }
    }

    *path = rest;
}


/* the index of the endpoint plus 1, or 0; path is empty or begins with "/" */
static uint32_t
at_endpoint_list_walk(const at_endpoint_list_t *list, uint32_t node,
    at_str_t path)
{
    uint32_t  param, literal, found;
    at_str_t  segment;

    if (path.len == 0) {
        return list->nodes[node].endpoint;
    }

    param = list->nodes[node].param;
    segment = at_path_next_segment(&path);
    literal = 0;
    found = 0;

    if (segment.len <= list->longest) {
        literal = at_endpoint_list_find_slot(list, node, segment,
                                             list->ignore_case)->node;
    }

    if (literal) {
        found = at_endpoint_list_walk(list, literal, path);
    }

    if (found == 0 && param && segment.len) {
        found = at_endpoint_list_walk(list, param, path);
    }

    return found;
}


static const at_endpoint_t *
at_endpoint_list_find(const at_endpoint_list_t *list, at_str_t method,
    at_str_t path)
{
    uint32_t  node, found;

    node = at_endpoint_list_find_slot(list, 0, method, 0)->node;
    found = node ? at_endpoint_list_walk(list, node, path) : 0;

    return found ? &list->endpoints[found - 1] : NULL;
}


static at_str_t
at_endpoint_template(const at_endpoint_t *endpoint)
{
    const char  *slash;

    slash = memchr(endpoint->text.data, '/', endpoint->text.len);

    return (at_str_t) { slash, (size_t) (endpoint->text.data
                                         + endpoint->text.len - slash) };
}


/*
 * Of two endpoints that match the same path: whether a has a literal at the
 * first segment where one of them has a literal and the other a parameter.
 */
static int
at_endpoint_is_more_specific(const at_endpoint_t *a, const at_endpoint_t *b)
{
    int       a_is_param, b_is_param;
    at_str_t  rest_a, rest_b, segment_a, segment_b;

    rest_a = at_endpoint_template(a);
    rest_b = at_endpoint_template(b);

    while (rest_a.len && rest_b.len) {
        segment_a = at_path_next_segment(&rest_a);
        segment_b = at_path_next_segment(&rest_b);

        a_is_param = segment_a.len && segment_a.data[0] == ':';
        b_is_param = segment_b.len && segment_b.data[0] == ':';

        if (a_is_param != b_is_param) {
            return b_is_param;
        }
    }

    return 0;
}


const at_endpoint_t *
at_endpoint_list_match(const at_endpoint_list_t *list, at_str_t method,
    at_str_t path)
{
    at_str_t              prefix;
    const at_endpoint_t  *by_method, *by_any;

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

    by_method = at_endpoint_list_find(list, method, path);
    by_any = at_endpoint_list_find(list, at_str("*"), path);

    if (by_method == NULL
        || (by_any && at_endpoint_is_more_specific(by_any, by_method)))
    {
        return by_any;
    }

    return by_method;
}
