/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ask kdumpd by sd-bus: readiness | list | follow | log ID | acknowledge ID | prepare
 *
 *   cc -o with_sd_bus with_sd_bus.c $(pkg-config --cflags --libs libsystemd)
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#define NAME "org.kdumpd1"
#define PATH "/org/kdumpd1"
#define MANAGER "org.kdumpd1.Manager"
#define CAPTURE "org.kdumpd1.Capture"
#define TRIGGER "org.kdumpd1.Trigger"
#define TRIGGER_PATH "/org/kdumpd1/trigger"

/* Functions return 0 or more, or an errno below 0; `error` then has the service's own sentence. */
static sd_bus_error error = SD_BUS_ERROR_NULL;

/* Print a text for a terminal: what is not printable ASCII, and the backslash, as \xNN. A user of the machine that
 * crashed may have chosen it: a line break would forge a line. */
static void print_shown(FILE *to, const void *text, size_t size) {
        const unsigned char *byte = text, *end = byte + size;

        for (; byte < end; byte++)
                if (*byte >= 0x20 && *byte < 0x7f && *byte != '\\')
                        putc(*byte, to);
                else
                        fprintf(to, "\\x%02x", *byte);
        putc('\n', to);
}

/* Print an array of a(ssss): code, severity, sentence, remedy. */
static int print_rows(sd_bus_message *m) {
        const char *code, *severity, *sentence, *remedy;
        int r = sd_bus_message_enter_container(m, 'a', "(ssss)");

        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(ssss)", &code, &severity, &sentence, &remedy)) > 0) {
                printf("%s %s: ", severity, code);
                print_shown(stdout, sentence, strlen(sentence));
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* Print a capture's directory: a file name is bytes, which need not be UTF-8, without a zero at the end. */
static int print_directory(sd_bus *bus, const char *path) {
        sd_bus_message *m = NULL;
        const void *bytes;
        size_t size;
        int r = sd_bus_get_property(bus, NAME, path, CAPTURE, "Directory", &error, &m, "ay");

        if (r >= 0)
                r = sd_bus_message_read_array(m, 'y', &bytes, &size);
        if (r >= 0)
                print_shown(stdout, bytes, size);
        sd_bus_message_unref(m);
        return r;
}

static int print_string(sd_bus *bus, const char *path, const char *interface, const char *property, char end) {
        char *text = NULL;
        int r = sd_bus_get_property_string(bus, NAME, path, interface, property, &error, &text);

        if (r >= 0)
                printf("%s%c", *text ? text : "-", end);
        free(text);
        return r;
}

/* Whether the next panic would leave a dump, and what is in its way. */
static int readiness(sd_bus *bus) {
        sd_bus_message *m = NULL;
        int r = print_string(bus, PATH, MANAGER, "Readiness", '\n');

        if (r >= 0)
                r = sd_bus_get_property(bus, NAME, PATH, MANAGER, "Findings", &error, &m, "a(ssss)");
        if (r >= 0)
                r = print_rows(m);
        sd_bus_message_unref(m);
        return r;
}

static int print_capture(sd_bus *bus, const char *path) {
        int r;

        if ((r = print_string(bus, path, CAPTURE, "Id", ' ')) < 0 ||
            (r = print_string(bus, path, CAPTURE, "State", ' ')) < 0 ||
            (r = print_string(bus, path, CAPTURE, "Class", ' ')) < 0)
                return r;
        return print_directory(bus, path);
}

/* All captures: a{oa{sa{sv}}}. The properties are in there as well; to ask for each is less to read here. */
static int list(sd_bus *bus) {
        sd_bus_message *m = NULL;
        const char *path;
        int r = sd_bus_call_method(bus, NAME, PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                                   &error, &m, NULL);

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}")) > 0) {
                if ((r = sd_bus_message_read(m, "o", &path)) < 0 ||
                    (r = sd_bus_message_skip(m, "a{sa{sv}}")) < 0 ||
                    (r = sd_bus_message_exit_container(m)) < 0)
                        break;
                r = print_capture(bus, path);
        }
        sd_bus_message_unref(m);
        return r;
}

static int tell(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *one, *two, *three;

        (void)userdata;
        (void)ret_error;
        if (sd_bus_message_is_signal(m, MANAGER, "CrashReported") &&
            sd_bus_message_read(m, "oss", &one, &two, &three) >= 0) {
                printf("crash %s %s ", one, two);
                print_shown(stdout, three, strlen(three));
        } else if (sd_bus_message_is_signal(m, MANAGER, "ReadinessChanged") &&
                 sd_bus_message_read(m, "ss", &one, &two) >= 0)
                printf("readiness %s %s\n", one, two);
        return fflush(stdout);
}

/* What happens, until interrupted. */
static int follow(sd_bus *bus) {
        int r = sd_bus_match_signal(bus, NULL, NAME, PATH, MANAGER, NULL, tell, NULL);

        /* Only now, so that nothing is missed between the look and the signals. */
        if (r >= 0)
                r = readiness(bus);
        fflush(stdout);
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        return r;
}

/* A kernel log, from a descriptor that is gone with the message. Needs the right org.kdumpd1.read. */
static int print_log(sd_bus *bus, const char *path) {
        sd_bus_message *m = NULL;
        char buffer[65536];
        ssize_t n;
        int fd, r = sd_bus_call_method(bus, NAME, path, CAPTURE, "OpenDmesg", &error, &m, NULL);

        if (r >= 0)
                r = sd_bus_message_read(m, "h", &fd);
        while (r >= 0 && (n = read(fd, buffer, sizeof buffer)) != 0) {
                if (n < 0)
                        r = -errno;
                else
                        fwrite(buffer, 1, n, stdout);
        }
        sd_bus_message_unref(m);
        return r;
}

/* Needs the right org.kdumpd1.manage. */
static int acknowledge(sd_bus *bus, const char *path) {
        return sd_bus_call_method(bus, NAME, path, CAPTURE, "Acknowledge", &error, NULL, NULL);
}

/* What speaks against a crash test now. The token is not used: nothing is crashed. */
static int prepare(sd_bus *bus) {
        sd_bus_message *m = NULL;
        int r = sd_bus_call_method(bus, TRIGGER, TRIGGER_PATH, TRIGGER, "Prepare", &error, &m, NULL);

        if (r >= 0)
                r = sd_bus_message_skip(m, "s"); /* the token */
        if (r >= 0)
                r = print_rows(m);
        sd_bus_message_unref(m);
        return r;
}

static int run(sd_bus *bus, const char *verb, const char *id) {
        char path[128];

        snprintf(path, sizeof path, PATH "/capture/%s", id);
        if (strcmp(verb, "readiness") == 0)
                return readiness(bus);
        if (strcmp(verb, "list") == 0)
                return list(bus);
        if (strcmp(verb, "follow") == 0)
                return follow(bus);
        if (strcmp(verb, "log") == 0)
                return print_log(bus, path);
        if (strcmp(verb, "acknowledge") == 0)
                return acknowledge(bus, path);
        if (strcmp(verb, "prepare") == 0)
                return prepare(bus);
        fputs("usage: readiness | list | follow | log ID | acknowledge ID | prepare\n", stderr);
        return -EINVAL;
}

int main(int argc, char **argv) {
        sd_bus *bus = NULL;
        int r = sd_bus_open_system(&bus);

        /* polkit may ask for a password, which takes longer than the 25 seconds that are usual. */
        if (r >= 0)
                r = sd_bus_set_allow_interactive_authorization(bus, 1);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, 300 * UINT64_C(1000000));
        if (r >= 0)
                r = run(bus, argc > 1 ? argv[1] : "readiness", argc > 2 ? argv[2] : "");
        if (sd_bus_error_is_set(&error)) {
                fprintf(stderr, "%s: ", error.name);
                print_shown(stderr, error.message, strlen(error.message));
        } else if (r < 0)
                fprintf(stderr, "%s\n", strerror(-r));
        sd_bus_error_free(&error);
        sd_bus_unref(bus);
        return r < 0;
}
