/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdint.h>
#include <stdlib.h>

#include "core/base/at_crypto.h"
#include "core/base/at_hex.h"
#include "core/base/at_utf8.h"
#include "core/authz/at_endpoint.h"


/* a view as the two arguments of "%.*s", cut to what an error can hold */
#define at_str_printf_args(view)  (int) ((view).len < 100 ? (view).len : 100), (view).data


/*
 * Of the tree: the root's children are the methods, theirs the first segments.
 * Nodes are numbered in the order of their making, so that a child's number is
 * greater than its parent's, and 0 is the root or no node.
 */
typedef struct {
    const char     *name;       /* the literal; unused of a parameter */
    uint32_t        len;
    uint32_t        parent;
    uint32_t        param;      /* the child that is a parameter */
    uint32_t        endpoint;   /* its number from 1, 0: none */
    uint32_t        line;       /* of the row that made it */
    uint32_t        steps;      /* of the longest search from here */
} at_node_t;

/* of the one hash table, which finds a literal child by parent and name */
typedef struct {
    uint32_t        hash;
    uint32_t        node;       /* 0: an empty slot */
} at_slot_t;

struct at_endpoint_list_s {
    at_slot_t      *slots;
    size_t          mask;       /* their number, a power of two, less one */
    at_node_t      *nodes;
    size_t          n_nodes;
    size_t          longest;    /* literal */

    at_endpoint_t  *endpoints;
    size_t          n_endpoints;

    at_str_t        prefix;
    unsigned        version:1;  /* and an optional version behind it */
    unsigned        ignore_case:1;

    char           *text;       /* that all views are of */
    size_t          text_len;
};

typedef struct {
    at_endpoint_list_t  *catalogue;
    at_error_t          *err;
    unsigned             line;
} at_parser_t;


static at_endpoint_list_t *at_endpoint_list_create(at_str_t text, size_t prefix);
static size_t at_str_count_char(at_str_t text, char c);
static int at_endpoint_list_set_options(at_endpoint_list_t *catalogue,
    const at_endpoint_list_options_t *options, at_error_t *err);
static int at_endpoint_list_parse_lines(at_parser_t *parser, at_str_t text);
static int at_endpoint_list_parse_line(at_parser_t *parser, at_str_t line);
static at_str_t at_line_next(at_str_t *text);
static int at_word_next(at_str_t *word, at_str_t *line);
static int at_str_has_control(at_str_t text);
static int at_method_check(const at_parser_t *parser, at_str_t method);
static int at_template_check(const at_parser_t *parser, at_str_t template);
static int at_parameter_is_valid(at_str_t segment);

static int at_endpoint_list_add(at_parser_t *parser, at_str_t method,
    at_str_t template, at_str_t scope);
static int at_endpoint_set(at_endpoint_t *endpoint, at_endpoint_list_t *catalogue,
    at_str_t method, at_str_t template, at_str_t scope);
static int at_scope_has_wrong_case(at_str_t scope);
static at_str_t at_endpoint_list_copy(at_endpoint_list_t *catalogue, at_str_t part);
static uint32_t at_endpoint_list_insert(at_parser_t *parser, at_str_t text);
static uint32_t at_endpoint_list_add_literal(at_parser_t *parser, uint32_t parent,
    at_str_t name, int fold);
static uint32_t at_endpoint_list_add_param(at_parser_t *parser, uint32_t parent);
static uint32_t at_endpoint_list_add_node(at_parser_t *parser, uint32_t parent,
    at_str_t name);
static int at_endpoint_list_check_steps(const at_endpoint_list_t *catalogue,
    at_error_t *err);

static int at_endpoint_list_strip_prefix(const at_endpoint_list_t *catalogue, at_str_t *path);
static void at_version_strip(at_str_t *path, int fold);
static int at_template_is_more_specific(at_str_t one, at_str_t other);
static at_str_t at_segment_skip(at_str_t text);
static uint32_t at_endpoint_list_search(const at_endpoint_list_t *catalogue,
    at_str_t method, at_str_t path);
static uint32_t at_endpoint_list_walk(const at_endpoint_list_t *catalogue,
    uint32_t node, at_str_t path);
static at_str_t at_segment_next(at_str_t *path);
static at_slot_t *at_endpoint_list_find_slot(const at_endpoint_list_t *catalogue,
    uint32_t parent, at_str_t name, int fold);
static uint32_t at_node_hash(uint32_t parent, at_str_t name, int fold);
static int at_name_equal(at_str_t a, at_str_t b, int fold);

static int at_path_is_unambiguous(at_str_t path, int encoded);
static int at_path_next_char(at_str_t *path, int encoded);
static int at_path_decode_char(at_str_t *path);
static int at_path_pair_is_unambiguous(int before, int c);
static int at_is_digit(char c);
static int at_is_unreserved(int c);


at_endpoint_list_t *
at_endpoint_list_parse(at_str_t text, const at_endpoint_list_options_t *options,
    at_error_t *err)
{
    at_parser_t  parser;

    if (text.len > AT_ENDPOINT_LIST_MAX) {
        (void) at_error(err, "more than %d bytes", AT_ENDPOINT_LIST_MAX);
        return NULL;
    }

    parser.catalogue = at_endpoint_list_create(text,
                                               options ? options->prefix.len : 0);
    parser.err = err;
    parser.line = 0;

    if (parser.catalogue == NULL) {
        (void) at_error(err, "no memory");
        return NULL;
    }

    if (at_endpoint_list_set_options(parser.catalogue, options, err) != 0
        || at_endpoint_list_parse_lines(&parser, text) != 0
        || at_endpoint_list_check_steps(parser.catalogue, err) != 0)
    {
        at_endpoint_list_free(parser.catalogue);
        return NULL;
    }

    return parser.catalogue;
}


/* room for all that so much text can hold: nothing grows later */
static at_endpoint_list_t *
at_endpoint_list_create(at_str_t text, size_t prefix)
{
    size_t               rows, nodes, slots;
    at_endpoint_list_t  *catalogue;

    rows = at_str_count_char(text, '\n') + 1;
    nodes = 1 + rows + at_str_count_char(text, '/');

    for (slots = 16; slots < 2 * nodes; slots *= 2) { /* void */ }

    catalogue = calloc(1, sizeof(at_endpoint_list_t));
    if (catalogue == NULL) {
        return NULL;
    }

    catalogue->mask = slots - 1;
    catalogue->n_nodes = 1;

    catalogue->slots = calloc(slots, sizeof(at_slot_t));
    catalogue->nodes = calloc(nodes, sizeof(at_node_t));
    catalogue->endpoints = calloc(rows, sizeof(at_endpoint_t));
    catalogue->text = malloc(text.len + rows * AT_SHA1_HEX_LEN + prefix);

    if (catalogue->slots == NULL || catalogue->nodes == NULL
        || catalogue->endpoints == NULL || catalogue->text == NULL)
    {
        at_endpoint_list_free(catalogue);
        return NULL;
    }

    return catalogue;
}


void
at_endpoint_list_free(at_endpoint_list_t *catalogue)
{
    if (catalogue == NULL) {
        return;
    }

    free(catalogue->slots);
    free(catalogue->nodes);
    free(catalogue->endpoints);
    free(catalogue->text);
    free(catalogue);
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


static int
at_endpoint_list_set_options(at_endpoint_list_t *catalogue,
    const at_endpoint_list_options_t *options, at_error_t *err)
{
    at_str_t  prefix;

    if (options == NULL) {
        return 0;
    }

    catalogue->ignore_case = options->ignore_case;
    prefix = options->prefix;

    if (prefix.len == 0) {
        return 0;
    }

    if (at_str_equal(prefix, at_str("ipfabric"))) {
        catalogue->version = 1;
        catalogue->prefix = at_str("/api");
        return 0;
    }

    if (!at_path_is_unambiguous(prefix, 0) || prefix.data[prefix.len - 1] == '/') {
        return at_error(err, "prefix \"%.*s\" is neither \"ipfabric\" nor a "
                        "path such as \"/api\"", at_str_printf_args(prefix));
    }

    catalogue->prefix = at_endpoint_list_copy(catalogue, prefix);

    return 0;
}


static int
at_endpoint_list_parse_lines(at_parser_t *parser, at_str_t text)
{
    while (text.len) {
        parser->line++;

        if (at_endpoint_list_parse_line(parser, at_line_next(&text)) != 0) {
            return -1;
        }
    }

    if (parser->catalogue->n_endpoints == 0) {
        return at_error(parser->err, "there is no endpoint");
    }

    return 0;
}


static int
at_endpoint_list_parse_line(at_parser_t *parser, at_str_t line)
{
    at_str_t  method, template, scope, more;

    if (at_str_has_control(line)) {
        return at_error(parser->err, "line %u: a control character",
                        parser->line);
    }

    if (!at_word_next(&method, &line)) {
        return 0;
    }

    if (at_method_check(parser, method) != 0) {
        return -1;
    }

    if (!at_word_next(&template, &line)) {
        return at_error(parser->err, "line %u: no path behind the method",
                        parser->line);
    }

    if (at_template_check(parser, template) != 0) {
        return -1;
    }

    (void) at_word_next(&scope, &line);

    if (at_word_next(&more, &line)) {
        return at_error(parser->err, "line %u: \"%.*s\" is one word too many",
                        parser->line, at_str_printf_args(more));
    }

    return at_endpoint_list_add(parser, method, template, scope);
}


/* takes a line off text, and its end off the line */
static at_str_t
at_line_next(at_str_t *text)
{
    size_t       len;
    at_str_t     line;
    const char  *end;

    end = memchr(text->data, '\n', text->len);
    len = end ? (size_t) (end - text->data) + 1 : text->len;

    line.data = text->data;
    line.len = len - (end != NULL);

    if (end && line.len && line.data[line.len - 1] == '\r') {
        line.len--;
    }

    text->data += len;
    text->len -= len;

    return line;
}


/* takes a word off line; returns 0, with an empty one, where none is left */
static int
at_word_next(at_str_t *word, at_str_t *line)
{
    size_t  i;

    for (i = 0; i < line->len; i++) {
        if (line->data[i] != ' ' && line->data[i] != '\t') {
            break;
        }
    }

    if (i < line->len && line->data[i] == '#') {
        i = line->len;
    }

    line->data += i;
    line->len -= i;

    for (i = 0; i < line->len; i++) {
        if (line->data[i] == ' ' || line->data[i] == '\t') {
            break;
        }
    }

    word->data = line->data;
    word->len = i;

    line->data += i;
    line->len -= i;

    return word->len != 0;
}


/* other than the tab */
static int
at_str_has_control(at_str_t text)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < text.len; i++) {
        c = (unsigned char) text.data[i];

        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return 1;
        }
    }

    return 0;
}


/* what nginx takes for a method */
static int
at_method_check(const at_parser_t *parser, at_str_t method)
{
    char    c;
    size_t  i;

    if (at_str_equal(method, at_str("*"))) {
        return 0;
    }

    if (at_str_equal(method, at_str("HEAD"))) {
        return at_error(parser->err, "line %u: HEAD counts as GET",
                        parser->line);
    }

    for (i = 0; i < method.len; i++) {
        c = method.data[i];

        if ((c < 'A' || c > 'Z') && c != '_' && c != '-') {
            return at_error(parser->err, "line %u: \"%.*s\" is not a method, "
                            "in upper case, nor \"*\"",
                            parser->line, at_str_printf_args(method));
        }
    }

    return 0;
}


static int
at_template_check(const at_parser_t *parser, at_str_t template)
{
    size_t    i;
    at_str_t  rest, segment;

    if (!at_path_is_unambiguous(template, 0)) {
        return at_error(parser->err, "line %u: no plain path can match "
                        "\"%.*s\"", parser->line, at_str_printf_args(template));
    }

    for (i = 0; i < template.len; i++) {
        if (strchr("*<>{}", template.data[i])) {
            return at_error(parser->err, "line %u: \"%.*s\": a parameter is a "
                            "whole segment \":name\"",
                            parser->line, at_str_printf_args(template));
        }
    }

    rest = template;

    while (rest.len) {
        segment = at_segment_next(&rest);

        if (!at_parameter_is_valid(segment)) {
            return at_error(parser->err, "line %u: \"%.*s\": the name of a "
                            "parameter is letters, digits, \"_\" and \"-\"",
                            parser->line, at_str_printf_args(template));
        }
    }

    return 0;
}


/* or is none */
static int
at_parameter_is_valid(at_str_t segment)
{
    size_t         i;
    unsigned char  c;

    if (segment.len == 0 || segment.data[0] != ':') {
        return 1;
    }

    for (i = 1; i < segment.len; i++) {
        c = (unsigned char) segment.data[i];

        if (!at_is_unreserved(c) || c == '.' || c == '~') {
            return 0;
        }
    }

    return segment.len > 1;
}


static int
at_endpoint_list_add(at_parser_t *parser, at_str_t method, at_str_t template,
    at_str_t scope)
{
    uint32_t             node;
    at_node_t           *found;
    at_endpoint_t       *endpoint, *other;
    at_endpoint_list_t  *catalogue;

    if (at_scope_has_wrong_case(scope)) {
        return at_error(parser->err, "line %u: \"%.*s\" is written "
                        "\"Public\" or \"Authenticated\"", parser->line,
                        at_str_printf_args(scope));
    }

    catalogue = parser->catalogue;
    endpoint = &catalogue->endpoints[catalogue->n_endpoints];
    endpoint->line = parser->line;

    if (at_endpoint_set(endpoint, catalogue, method, template, scope) != 0) {
        return at_error(parser->err, "no memory");
    }

    node = at_endpoint_list_insert(parser, endpoint->text);
    found = &catalogue->nodes[node];

    if (found->endpoint) {
        other = &catalogue->endpoints[found->endpoint - 1];

        return at_error(parser->err, "line %u: \"%.*s\" is already on line %u",
                        parser->line, at_str_printf_args(endpoint->text), other->line);
    }

    found->endpoint = (uint32_t) ++catalogue->n_endpoints;

    return 0;
}


static int
at_endpoint_set(at_endpoint_t *endpoint, at_endpoint_list_t *catalogue,
    at_str_t method, at_str_t template, at_str_t scope)
{
    char  id[AT_SHA1_HEX_LEN];

    endpoint->text = at_endpoint_list_copy(catalogue, method);
    (void) at_endpoint_list_copy(catalogue, at_str(" "));
    (void) at_endpoint_list_copy(catalogue, template);
    endpoint->text.len += 1 + template.len;

    if (at_sha1_hex(id, endpoint->text) != 0) {
        return -1;
    }

    endpoint->id = at_endpoint_list_copy(catalogue, (at_str_t) { id, sizeof(id) });
    endpoint->scope = scope.len ? at_endpoint_list_copy(catalogue, scope)
                                : endpoint->id;

    if (at_str_equal(scope, at_str("Authenticated"))) {
        endpoint->kind = AT_ENDPOINT_AUTHENTICATED;

    } else if (at_str_equal(scope, at_str("Public"))) {
        endpoint->kind = AT_ENDPOINT_PUBLIC;
    }

    return 0;
}


/* as a scope it would shut everybody out, or open to who is granted the word */
static int
at_scope_has_wrong_case(at_str_t scope)
{
    return (at_str_equal_nocase(scope, at_str("Public"))
            && !at_str_equal(scope, at_str("Public")))
           || (at_str_equal_nocase(scope, at_str("Authenticated"))
               && !at_str_equal(scope, at_str("Authenticated")));
}


/* parts that are copied one after the other are one piece */
static at_str_t
at_endpoint_list_copy(at_endpoint_list_t *catalogue, at_str_t part)
{
    char  *copy;

    copy = catalogue->text + catalogue->text_len;
    memcpy(copy, part.data, part.len);
    catalogue->text_len += part.len;

    part.data = copy;

    return part;
}


/* returns the node of "METHOD /template", made where it was not there */
static uint32_t
at_endpoint_list_insert(at_parser_t *parser, at_str_t text)
{
    uint32_t     node;
    at_str_t     rest, name;
    const char  *space;

    space = memchr(text.data, ' ', text.len);

    name.data = text.data;
    name.len = (size_t) (space - text.data);

    rest.data = space + 1;
    rest.len = text.len - name.len - 1;

    node = at_endpoint_list_add_literal(parser, 0, name, 0);

    while (rest.len) {
        name = at_segment_next(&rest);

        node = (name.len && name.data[0] == ':')
               ? at_endpoint_list_add_param(parser, node)
               : at_endpoint_list_add_literal(parser, node, name,
                                              parser->catalogue->ignore_case);
    }

    return node;
}


static uint32_t
at_endpoint_list_add_literal(at_parser_t *parser, uint32_t parent, at_str_t name,
    int fold)
{
    at_slot_t           *slot;
    at_endpoint_list_t  *catalogue;

    catalogue = parser->catalogue;
    slot = at_endpoint_list_find_slot(catalogue, parent, name, fold);

    if (slot->node == 0) {
        slot->hash = at_node_hash(parent, name, fold);
        slot->node = at_endpoint_list_add_node(parser, parent, name);

        if (name.len > catalogue->longest) {
            catalogue->longest = name.len;
        }
    }

    return slot->node;
}


static uint32_t
at_endpoint_list_add_param(at_parser_t *parser, uint32_t parent)
{
    at_node_t  *nodes;

    nodes = parser->catalogue->nodes;

    if (nodes[parent].param == 0) {
        nodes[parent].param = at_endpoint_list_add_node(parser, parent, at_str(""));
    }

    return nodes[parent].param;
}


static uint32_t
at_endpoint_list_add_node(at_parser_t *parser, uint32_t parent, at_str_t name)
{
    uint32_t    n;
    at_node_t  *node;

    n = (uint32_t) parser->catalogue->n_nodes++;
    node = &parser->catalogue->nodes[n];

    node->name = name.data;
    node->len = (uint32_t) name.len;
    node->parent = parent;
    node->line = parser->line;

    return n;
}


/*
 * A path leads from a node to one of its literals at most, and to its
 * parameter.  From the last node to the first, each comes after its children.
 */
static int
at_endpoint_list_check_steps(const at_endpoint_list_t *catalogue, at_error_t *err)
{
    uint32_t    i;
    at_node_t  *nodes, *node, *parent;

    nodes = catalogue->nodes;

    for (i = (uint32_t) catalogue->n_nodes - 1; i > 0; i--) {
        node = &nodes[i];
        parent = &nodes[node->parent];

        node->steps += 1 + (node->param ? nodes[node->param].steps : 0);

        if (node->steps > AT_ENDPOINT_LIST_STEPS_MAX) {
            return at_error(err, "line %u: too many segments, or too many "
                            "literals beside parameters, in templates that "
                            "start as this one", node->line);
        }

        if (parent->param != i && parent->steps < node->steps) {
            parent->steps = node->steps;
        }
    }

    return 0;
}


size_t
at_endpoint_list_count(const at_endpoint_list_t *catalogue)
{
    return catalogue->n_endpoints;
}


const at_endpoint_t *
at_endpoint_list_get(const at_endpoint_list_t *catalogue, size_t i)
{
    return &catalogue->endpoints[i];
}


const at_endpoint_t *
at_endpoint_list_match(const at_endpoint_list_t *catalogue, at_str_t method,
    at_str_t path)
{
    uint32_t  own, any;

    if (!at_endpoint_list_strip_prefix(catalogue, &path)) {
        return NULL;
    }

    if (at_str_equal(method, at_str("HEAD"))) {
        method = at_str("GET");
    }

    own = at_endpoint_list_search(catalogue, method, path);
    any = at_endpoint_list_search(catalogue, at_str("*"), path);

    if (own == 0 && any == 0) {
        return NULL;
    }

    if (own == 0
        || (any != 0
            && at_template_is_more_specific(catalogue->endpoints[any - 1].text,
                                            catalogue->endpoints[own - 1].text)))
    {
        own = any;
    }

    return &catalogue->endpoints[own - 1];
}


/*
 * Of two rows that match one path: whether the first has the literal where they
 * differ first.  The text is "METHOD /template".
 */
static int
at_template_is_more_specific(at_str_t one, at_str_t other)
{
    int       first, second;
    at_str_t  a, b;

    a = at_segment_skip(one);
    b = at_segment_skip(other);

    while (a.len && b.len) {
        first = a.data[0] == ':';
        second = b.data[0] == ':';

        if (first != second) {
            return second;
        }

        a = at_segment_skip(a);
        b = at_segment_skip(b);
    }

    return 0;
}


/* what follows the next slash */
static at_str_t
at_segment_skip(at_str_t text)
{
    const char  *slash;

    slash = memchr(text.data, '/', text.len);

    if (slash == NULL) {
        return (at_str_t) { NULL, 0 };
    }

    slash++;

    return (at_str_t) { slash, (size_t) (text.data + text.len - slash) };
}


/* takes the prefix off path; returns 0 without it or the slash behind it */
static int
at_endpoint_list_strip_prefix(const at_endpoint_list_t *catalogue, at_str_t *path)
{
    int       fold;
    at_str_t  start, prefix;

    fold = catalogue->ignore_case;
    prefix = catalogue->prefix;

    if (path->len <= prefix.len || path->data[prefix.len] != '/') {
        return 0;
    }

    start.data = path->data;
    start.len = prefix.len;

    if (!at_name_equal(start, prefix, fold)) {
        return 0;
    }

    path->data += prefix.len;
    path->len -= prefix.len;

    if (catalogue->version) {
        at_version_strip(path, fold);
    }

    return 1;
}


/* the "v\d(\.\d+)?/" of IP Fabric's SDK, with the slash before it instead */
static void
at_version_strip(at_str_t *path, int fold)
{
    char      v;
    size_t    i;
    at_str_t  rest, version;

    rest = *path;
    version = at_segment_next(&rest);

    if (rest.len == 0 || version.len < 2) {
        return;
    }

    v = fold ? at_lower(version.data[0]) : version.data[0];

    if (v != 'v' || !at_is_digit(version.data[1]) || version.len == 3
        || (version.len > 3 && version.data[2] != '.'))
    {
        return;
    }

    for (i = 3; i < version.len; i++) {
        if (!at_is_digit(version.data[i])) {
            return;
        }
    }

    *path = rest;
}


/* the number of the endpoint, or 0; path is empty or starts with a slash */
static uint32_t
at_endpoint_list_search(const at_endpoint_list_t *catalogue, at_str_t method,
    at_str_t path)
{
    uint32_t  node;

    node = at_endpoint_list_find_slot(catalogue, 0, method, 0)->node;

    return node ? at_endpoint_list_walk(catalogue, node, path) : 0;
}


static uint32_t
at_endpoint_list_walk(const at_endpoint_list_t *catalogue, uint32_t node, at_str_t path)
{
    uint32_t  param, literal, found;
    at_str_t  segment;

    if (path.len == 0) {
        return catalogue->nodes[node].endpoint;
    }

    param = catalogue->nodes[node].param;
    segment = at_segment_next(&path);
    literal = 0;
    found = 0;

    if (segment.len <= catalogue->longest) {
        literal = at_endpoint_list_find_slot(catalogue, node, segment,
                                             catalogue->ignore_case)->node;
    }

    if (literal) {
        found = at_endpoint_list_walk(catalogue, literal, path);
    }

    if (found == 0 && param && segment.len) {
        found = at_endpoint_list_walk(catalogue, param, path);
    }

    return found;
}


/* takes a slash, with which path starts, and the segment behind it off */
static at_str_t
at_segment_next(at_str_t *path)
{
    at_str_t     segment;
    const char  *slash;

    segment.data = path->data + 1;
    segment.len = path->len - 1;

    slash = memchr(segment.data, '/', segment.len);
    if (slash) {
        segment.len = (size_t) (slash - segment.data);
    }

    path->data = segment.data + segment.len;
    path->len -= 1 + segment.len;

    return segment;
}


/* the slot of that literal, or the empty one where it would be */
static at_slot_t *
at_endpoint_list_find_slot(const at_endpoint_list_t *catalogue, uint32_t parent,
    at_str_t name, int fold)
{
    size_t      i;
    uint32_t    hash;
    at_str_t    other;
    at_slot_t  *slot;
    at_node_t  *node;

    hash = at_node_hash(parent, name, fold);

    for (i = hash; /* void */; i++) {
        slot = &catalogue->slots[i & catalogue->mask];
        node = &catalogue->nodes[slot->node];

        other.data = node->name;
        other.len = node->len;

        if (slot->node == 0
            || (slot->hash == hash && node->parent == parent
                && at_name_equal(name, other, fold)))
        {
            return slot;
        }
    }
}


/* FNV-1a, its upper half folded into the lower one */
static uint32_t
at_node_hash(uint32_t parent, at_str_t name, int fold)
{
    char      c;
    size_t    i;
    uint64_t  hash;

    hash = (0xcbf29ce484222325 ^ parent) * 0x100000001b3;

    for (i = 0; i < name.len; i++) {
        c = fold ? at_lower(name.data[i]) : name.data[i];
        hash = (hash ^ (unsigned char) c) * 0x100000001b3;
    }

    return (uint32_t) (hash ^ hash >> 32);
}


static int
at_name_equal(at_str_t a, at_str_t b, int fold)
{
    return fold ? at_str_equal_nocase(a, b) : at_str_equal(a, b);
}


int
at_path_is_ambiguous(at_str_t raw, at_str_t normalised)
{
    /* without a "%" there is nothing to tell of the one but of the other */

    if (!at_path_is_unambiguous(normalised, 0)) {
        return 1;
    }

    return !at_str_equal(raw, normalised) && !at_path_is_unambiguous(raw, 1);
}


static int
at_path_is_unambiguous(at_str_t path, int encoded)
{
    int        c, before;
    at_utf8_t  utf8;

    if (path.len == 0 || path.data[0] != '/') {
        return 0;
    }

    before = 0;
    memset(&utf8, 0, sizeof(at_utf8_t));

    while (path.len) {
        c = at_path_next_char(&path, encoded);

        if (c == -1 || !at_path_pair_is_unambiguous(before, c)
            || at_utf8_decode(&utf8, (unsigned char) c) != 0)
        {
            return 0;
        }

        /* C1 controls */
        if (!utf8.pending && utf8.code >= 0x80 && utf8.code < 0xa0) {
            return 0;
        }

        before = c;
    }

    return utf8.pending == 0 && before != '.' && before != ' ';
}


/* takes a character off path, or -1 that makes it odd wherever it stands */
static int
at_path_next_char(at_str_t *path, int encoded)
{
    int  c;

    c = (unsigned char) path->data[0];

    path->data++;
    path->len--;

    if (c == '%' && encoded) {
        c = at_path_decode_char(path);
    }

    if (c < ' ' || c == 0x7f || c == ';' || c == '\\' || c == '%' || c == '?'
        || c == '#')
    {
        return -1;
    }

    return c;
}


/* takes the digits off path; -1 for what is no encoding or a needless one */
static int
at_path_decode_char(at_str_t *path)
{
    int  high, low, c;

    if (path->len < 2) {
        return -1;
    }

    high = at_hex_digit(path->data[0]);
    low = at_hex_digit(path->data[1]);

    path->data += 2;
    path->len -= 2;

    if (high == -1 || low == -1) {
        return -1;
    }

    c = high << 4 | low;

    return (c == '/' || at_is_unreserved(c)) ? -1 : c;
}


/* what a segment must not start or end with, "." and ".." included */
static int
at_path_pair_is_unambiguous(int before, int c)
{
    if (c == '/') {
        return before != '/' && before != '.' && before != ' ';
    }

    return c != ' ' || before != '/';
}


static int
at_is_digit(char c)
{
    return c >= '0' && c <= '9';
}


/* RFC 3986 section 2.3 */
static int
at_is_unreserved(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
           || (c >= 'a' && c <= 'z')
           || c == '-' || c == '.' || c == '_' || c == '~';
}
