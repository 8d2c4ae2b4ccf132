/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * make tsan: tells ThreadSanitizer that the end of a thread's task happens
 * before its event handler.  nginx ensures this with a spin lock of its own,
 * which ThreadSanitizer does not see, because nginx is not built with it.
 * The compiler includes this file before each source file of the module.
 */

#ifndef TSAN_TASKS_H
#define TSAN_TASKS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_thread_pool.h>

#include <sanitizer/tsan_interface.h>


typedef struct {
    ngx_thread_task_t  *task;
    ngx_thread_task_t   original;
} tsan_task_t;


static inline void
tsan_task_restore(tsan_task_t *saved)
{
    ngx_thread_task_t  *task = saved->task;

    task->ctx = saved->original.ctx;
    task->handler = saved->original.handler;
    task->event.handler = saved->original.event.handler;
    task->event.data = saved->original.event.data;

    free(saved);
}


static inline void
tsan_task_handler(void *data, ngx_log_t *log)
{
    tsan_task_t  *saved = data;

    saved->original.handler(saved->original.ctx, log);

    __tsan_release(saved);
}


static inline void
tsan_task_event_handler(ngx_event_t *ev)
{
    tsan_task_t  *saved = ev->data;

    __tsan_acquire(saved);

    tsan_task_restore(saved);
    ev->handler(ev);
}


static inline ngx_int_t
tsan_task_post(ngx_thread_pool_t *pool, ngx_thread_task_t *task)
{
    ngx_int_t     rc;
    tsan_task_t  *saved;

    saved = malloc(sizeof(tsan_task_t));

    if (saved == NULL) {
        return NGX_ERROR;
    }

    saved->task = task;
    saved->original = *task;

    task->ctx = saved;
    task->handler = tsan_task_handler;
    task->event.handler = tsan_task_event_handler;
    task->event.data = saved;

    rc = ngx_thread_task_post(pool, task);

    if (rc != NGX_OK) {
        tsan_task_restore(saved);
    }

    return rc;
}


#define ngx_thread_task_post  tsan_task_post


#endif
