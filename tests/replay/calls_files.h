/* execd's calls for files and directories. Included by calls.h. */
#ifndef TESTS_CALLS_FILES_H
#define TESTS_CALLS_FILES_H

#define FILES_MOST 4

typedef struct upload_source { /* hands out its text in small bites */
    const char *text;
    size_t at, bite;
} upload_source;

static struct { /* must live until the call has ended */
    osb_file_info info;
    osb_read_options read;
    uint64_t size;
    size_t length;
    char data[8192];
    osb_upload uploads[FILES_MOST];
    upload_source sources[FILES_MOST];
    osb_replacement replacements[FILES_MOST];
    osb_move moves[FILES_MOST];
    osb_permission permissions[FILES_MOST];
    osb_list_options list;
} files;

static uint64_t scene_number64(const scene *s, const char *name)
{
    const char *value = scene_get(s, name);
    return value != NULL ? strtoull(value, NULL, 10) : 0;
}

static int recorder_on_file(void *user, const osb_file_info *info)
{
    recorder *r = (recorder *)user;
    recorder_view(r, "file", info->path);
    recorder_view(r, "requested", info->requested);
    recorder_view(r, "type", info->type);
    recorder_view(r, "modified_at", info->modified_at);
    recorder_view(r, "created_at", info->created_at);
    recorder_view(r, "owner", info->owner);
    recorder_view(r, "group", info->group);
    text_print(&r->lines, "size %llu mode %lu\n", (unsigned long long)info->size_bytes,
               (unsigned long)info->mode);
    return recorder_answer(r, "file", false);
}

static osb_status call_file_get_info(scene *s)
{
    osb_status status;
    memset(&files, 0, sizeof files);
    status = scene_wait(s, osb_file_get_info(&s->box, scene_get(s, "path"), &files.info));
    if (status == OSB_OK) recorder_on_file(&s->r, &files.info);
    return status;
}

static osb_status call_file_get_infos(scene *s)
{
    size_t count = transcript_list(s->call, "path", s->list);
    return scene_wait(s, osb_file_get_infos(&s->box, s->list, count, recorder_on_file, &s->r));
}

static osb_status call_file_search(scene *s)
{
    return scene_wait(s, osb_file_search(&s->box, scene_get(s, "path"), scene_get(s, "pattern"),
                                         recorder_on_file, &s->r));
}

static osb_status call_file_read(scene *s)
{
    osb_read_options *o = &files.read;
    osb_status status;
    memset(&files, 0, sizeof files);
    o->offset_bytes = scene_number64(s, "offset_bytes");
    o->size_bytes = scene_number64(s, "size_bytes");
    o->first_line = scene_number64(s, "first_line");
    o->line_count = scene_number64(s, "line_count");
    o->resumptions = transcript_number(s->call, "resumptions");
    status = osb_file_read(&s->box, scene_get(s, "path"), o, recorder_on_data, &s->r, &files.size);
    status = scene_wait(s, status);
    recorder_line(&s->r, "data", s->r.data.data, s->r.data.size);
    if (files.size != s->r.data.size && status != OSB_E_CANCELLED)
        recorder_wrong(&s->r, "another size than was handed out");
    return status;
}

static osb_status call_file_read_all(scene *s)
{
    osb_status status;
    size_t size = transcript_number(s->call, "size");
    memset(&files, 0, sizeof files);
    if (size == 0) size = sizeof files.data;
    status = osb_file_read_all(&s->box, scene_get(s, "path"), files.data, size, &files.length);
    status = scene_wait(s, status);
    recorder_line(&s->r, "data", files.data, files.length);
    if (status == OSB_E_BUFFER)
        text_print(&s->r.lines, "needed %lu\n", (unsigned long)osb_last_error(&s->client)->needed);
    return status;
}

static osb_status call_file_write(scene *s)
{
    const char *text = scene_get(s, "data");
    return scene_wait(s, osb_file_write(&s->box, scene_get(s, "path"), text, strlen(text)));
}

static int upload_read(void *user, void *data, size_t size)
{
    upload_source *source = (upload_source *)user;
    size_t left = strlen(source->text) - source->at;
    if (size > left) size = left;
    if (size > source->bite) size = source->bite;
    memcpy(data, source->text + source->at, size);
    source->at += size;
    return (int)size;
}

static int upload_rewind(void *user)
{
    ((upload_source *)user)->at = 0;
    return 0;
}

/* "upload path=/a data=text mode=644 owner=u group=g", with source from a source of known size,
   with unknown from one of unknown size. Words have no spaces: "+" stands for one in data. */
static size_t scene_uploads(scene *s)
{
    const char *lines[TRANSCRIPT_MOST];
    size_t i, n = transcript_list(s->call, "upload", lines);
    for (i = 0; i < n; i++) {
        const words *w = words_parse(&s->words, lines[i]);
        osb_upload *u = &files.uploads[i];
        upload_source *source = &files.sources[i];
        u->path = words_get(w, "path");
        u->owner = words_get(w, "owner");
        u->group = words_get(w, "group");
        u->mode = words_number(w, "mode");
        source->text = words_get(w, "data");
        source->bite = 5;
        u->body_size_unknown = words_have(w, "unknown");
        if (!u->body_size_unknown) u->body_size = strlen(source->text);
        if (words_have(w, "source") || u->body_size_unknown) {
            u->user = source;
            u->read_body = upload_read;
            u->rewind_body = upload_rewind;
        } else {
            u->body = source->text;
        }
    }
    return n;
}

static osb_status call_file_upload(scene *s)
{
    size_t count;
    memset(&files, 0, sizeof files);
    count = scene_uploads(s);
    return scene_wait(
        s, osb_file_upload(&s->box, files.uploads, count, transcript_has(s->call, "verify")));
}

static int recorder_on_replaced(void *user, const osb_replaced *replaced)
{
    recorder *r = (recorder *)user;
    recorder_view(r, "replaced in", replaced->path);
    text_print(&r->lines, "count %llu\n", (unsigned long long)replaced->count);
    return recorder_answer(r, "replaced", false);
}

static osb_status call_file_replace(scene *s)
{
    const char *lines[TRANSCRIPT_MOST];
    size_t i, n = transcript_list(s->call, "replace", lines);
    bool quiet = transcript_has(s->call, "quiet");
    memset(&files, 0, sizeof files);
    for (i = 0; i < n; i++) {
        const words *w = words_parse(&s->words, lines[i]);
        files.replacements[i].path = words_get(w, "path");
        files.replacements[i].old_text = words_get(w, "old");
        files.replacements[i].new_text = words_get(w, "new");
    }
    return scene_wait(s, osb_file_replace(&s->box, files.replacements, n,
                                          quiet ? NULL : recorder_on_replaced, &s->r));
}

static osb_status call_file_move(scene *s)
{
    const char *lines[TRANSCRIPT_MOST];
    size_t i, n = transcript_list(s->call, "move", lines);
    memset(&files, 0, sizeof files);
    for (i = 0; i < n; i++) {
        const words *w = words_parse(&s->words, lines[i]);
        files.moves[i].from = words_get(w, "from");
        files.moves[i].to = words_get(w, "to");
    }
    return scene_wait(s, osb_file_move(&s->box, files.moves, n));
}

/* "item path=/a mode=644 owner=u group=g" as many times as there are files. */
static size_t scene_permissions(scene *s)
{
    const char *lines[TRANSCRIPT_MOST];
    size_t i, n = transcript_list(s->call, "item", lines);
    memset(&files, 0, sizeof files);
    for (i = 0; i < n; i++) {
        const words *w = words_parse(&s->words, lines[i]);
        files.permissions[i].path = words_get(w, "path");
        files.permissions[i].owner = words_get(w, "owner");
        files.permissions[i].group = words_get(w, "group");
        files.permissions[i].mode = words_number(w, "mode");
    }
    return n;
}

static osb_status call_file_set_permissions(scene *s)
{
    size_t count = scene_permissions(s);
    return scene_wait(s, osb_file_set_permissions(&s->box, files.permissions, count));
}

static osb_status call_file_delete(scene *s)
{
    size_t count = transcript_list(s->call, "path", s->list);
    return scene_wait(s, osb_file_delete(&s->box, s->list, count));
}

static osb_status call_directory_create(scene *s)
{
    size_t count = scene_permissions(s);
    return scene_wait(s, osb_directory_create(&s->box, files.permissions, count));
}

static osb_status call_directory_list(scene *s)
{
    memset(&files, 0, sizeof files);
    files.list.depth = scene_optional(s, "depth");
    files.list.recursive = transcript_has(s->call, "recursive");
    return scene_wait(
        s, osb_directory_list(&s->box, scene_get(s, "path"), &files.list, recorder_on_file, &s->r));
}

static osb_status call_directory_delete(scene *s)
{
    size_t count = transcript_list(s->call, "path", s->list);
    return scene_wait(s, osb_directory_delete(&s->box, s->list, count));
}

#endif
