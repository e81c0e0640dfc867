/* SPDX-License-Identifier: GPL-2.0-or-later
 * A service with as many objects as kdumpd has captures, by sd-bus, and a client that asks either.
 * usage: objects serve ADDRESS NAME COUNT
 *        objects ask ADDRESS NAME PATH MEMBER [INTERFACE]   prints the microseconds until the answer
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#define ROOT "/org/kdumpd1"
#define CAPTURE "org.kdumpd1.Capture"

static int text(sd_bus *bus, const char *path, const char *interface, const char *property,
                sd_bus_message *reply, void *data, sd_bus_error *error) {
    return sd_bus_message_append(reply, "s", "a text as long as most are");
}

static int bytes(sd_bus *bus, const char *path, const char *interface, const char *property,
                 sd_bus_message *reply, void *data, sd_bus_error *error) {
    static const char name[] = "/var/crash/202611230113/dump.202611230113";
    return sd_bus_message_append_array(reply, 'y', name, sizeof name - 1);
}

static int number(sd_bus *bus, const char *path, const char *interface, const char *property,
                  sd_bus_message *reply, void *data, sd_bus_error *error) {
    return sd_bus_message_append(reply, "t", (uint64_t) 1795396414000000);
}

static int small(sd_bus *bus, const char *path, const char *interface, const char *property,
                 sd_bus_message *reply, void *data, sd_bus_error *error) {
    return sd_bus_message_append(reply, "u", 1);
}

static int level(sd_bus *bus, const char *path, const char *interface, const char *property,
                 sd_bus_message *reply, void *data, sd_bus_error *error) {
    return sd_bus_message_append(reply, "i", -1);
}

static int truth(sd_bus *bus, const char *path, const char *interface, const char *property,
                 sd_bus_message *reply, void *data, sd_bus_error *error) {
    return sd_bus_message_append(reply, "b", 1);
}

#define PROPERTY(name, signature, get) SD_BUS_PROPERTY(name, signature, get, 0, 0)

/* As many of each type as org.kdumpd1.Capture has. */
static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    PROPERTY("Id", "s", text), PROPERTY("Directory", "ay", bytes), PROPERTY("CoreFile", "ay", bytes),
    PROPERTY("DmesgFile", "ay", bytes), PROPERTY("Layout", "s", text), PROPERTY("Format", "s", text),
    PROPERTY("Compression", "s", text), PROPERTY("Size", "t", number), PROPERTY("State", "s", text),
    PROPERTY("Trusted", "b", truth), PROPERTY("Problem", "s", text), PROPERTY("CrashedAt", "t", number),
    PROPERTY("FoundAt", "t", number), PROPERTY("Host", "s", text), PROPERTY("KernelRelease", "s", text),
    PROPERTY("Architecture", "s", text), PROPERTY("BuildId", "s", text), PROPERTY("DumpLevel", "i", level),
    PROPERTY("Class", "s", text), PROPERTY("Reason", "s", text), PROPERTY("Function", "s", text),
    PROPERTY("Module", "s", text), PROPERTY("Command", "s", text), PROPERTY("Tainted", "s", text),
    PROPERTY("HardwareError", "b", truth), PROPERTY("CaptureArmed", "b", truth),
    PROPERTY("Signature", "s", text), PROPERTY("Occurrence", "u", small), PROPERTY("IsTest", "b", truth),
    PROPERTY("RemovalExpected", "t", number), PROPERTY("RemovalReason", "s", text),
    PROPERTY("WorldReadable", "b", truth), PROPERTY("Acknowledged", "b", truth),
    SD_BUS_VTABLE_END,
};

static void fail_on(int result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "objects: %s: %s\n", what, strerror(-result));
        exit(1);
    }
}

static sd_bus *connected(const char *address) {
    sd_bus *bus = NULL;
    fail_on(sd_bus_new(&bus), "new");
    fail_on(sd_bus_set_address(bus, address), "address");
    fail_on(sd_bus_set_bus_client(bus, 1), "client");
    fail_on(sd_bus_start(bus), "start");
    return bus;
}

static void serve(const char *address, const char *name, long count) {
    sd_bus *bus = connected(address);
    fail_on(sd_bus_add_object_manager(bus, NULL, ROOT), "object manager");
    for (long at = 0; at < count; at++) {
        char path[64];
        snprintf(path, sizeof path, ROOT "/capture/%016lx", at);
        fail_on(sd_bus_add_object_vtable(bus, NULL, path, CAPTURE, vtable, NULL), "object");
    }
    fail_on(sd_bus_request_name(bus, name, 0), "name");
    sd_notify(0, "READY=1");
    for (;;) {
        int result = sd_bus_process(bus, NULL);
        fail_on(result, "process");
        if (result == 0)
            fail_on(sd_bus_wait(bus, UINT64_MAX), "wait");
    }
}

static int ask(const char *address, const char *name, const char *path, const char *member,
               const char *interface) {
    sd_bus *bus = connected(address);
    sd_bus_message *call = NULL, *answer = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    struct timespec begun, ended;
    const char *of = interface ? "org.freedesktop.DBus.Properties" : "org.freedesktop.DBus.ObjectManager";
    fail_on(sd_bus_message_new_method_call(bus, &call, name, path, of, member), "message");
    if (interface)
        fail_on(sd_bus_message_append(call, "s", interface), "argument");
    clock_gettime(CLOCK_MONOTONIC, &begun);
    int result = sd_bus_call(bus, call, UINT64_C(120000000), &error, &answer);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    fail_on(result, error.message ? error.message : member);
    printf("%ld\n", (ended.tv_sec - begun.tv_sec) * 1000000L + (ended.tv_nsec - begun.tv_nsec) / 1000L);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "serve") == 0)
        serve(argv[2], argv[3], atol(argv[4]));
    if ((argc == 6 || argc == 7) && strcmp(argv[1], "ask") == 0)
        return ask(argv[2], argv[3], argv[4], argv[5], argc == 7 ? argv[6] : NULL);
    fprintf(stderr, "usage: objects serve ADDRESS NAME COUNT | ask ADDRESS NAME PATH MEMBER [INTERFACE]\n");
    return 2;
}
