// Serves connections of the listening socket 3: `serve echo`, `serve http`, `serve try`.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENER = 3 };

// Sends back what comes until the other side has no more to say.
static void echo(int connection) {
    char buffer[1000];
    ssize_t count;
    while ((count = recv(connection, buffer, sizeof buffer, 0)) > 0)
        for (ssize_t sent = 0, more; sent < count; sent += more) {
            more = send(connection, buffer + sent, count - sent, 0);
            if (more < 0) {
                printf("send: %s\n", strerror(errno));
                return;
            }
        }
    printf("recv: %s\n", count < 0 ? strerror(errno) : "end");
    shutdown(connection, SHUT_WR);
}

// Answers one request: its head is peeked at, the line is taken, the rest is left where it is.
static void answer(int connection) {
    char head[1000], method[10], path[100], text[200], reply[400];
    ssize_t count = recv(connection, head, sizeof head - 1, MSG_PEEK);
    if (count <= 0 || sscanf(head, "%9s %99s", method, path) != 2)
        return;
    size_t line = strcspn(head, "\n") + 1;
    recv(connection, head, line, MSG_WAITALL);
    snprintf(text, sizeof text, "%s of %s\n", method, path);
    int length = snprintf(reply, sizeof reply,
                          "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
                          strlen(text), text);
    write(connection, reply, length);
    shutdown(connection, SHUT_WR);
    while (read(connection, head, sizeof head) > 0)
        ;
}

// What a program that does not want to wait is told, and that poll waits in its place.
static void try(void) {
    char byte;
    fcntl(LISTENER, F_SETFL, O_NONBLOCK);
    printf("accept: %s\n", accept(LISTENER, NULL, NULL) < 0 ? strerror(errno) : "done");
    fflush(stdout);
    struct pollfd wait = {.fd = LISTENER, .events = POLLIN};
    poll(&wait, 1, -1);
    int connection = accept4(LISTENER, NULL, NULL, SOCK_NONBLOCK);
    printf("accepted %d\n", connection);
    int type;
    socklen_t size = sizeof type;
    getsockopt(connection, SOL_SOCKET, SO_TYPE, &type, &size);
    printf("stream: %d\n", type == SOCK_STREAM);
    printf("recv: %s\n", recv(connection, &byte, 1, 0) < 0 ? strerror(errno) : "done");
    fflush(stdout);
    wait.fd = connection;
    poll(&wait, 1, -1);
    printf("recv: %zd\n", recv(connection, &byte, 1, 0));
    close(connection);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "try") == 0) {
        try();
        return 0;
    }
    int connection = accept(LISTENER, NULL, NULL);
    if (connection < 0) {
        perror("accept");
        return 1;
    }
    (argc > 1 && strcmp(argv[1], "http") == 0 ? answer : echo)(connection);
    close(connection);
    return 0;
}
