// The medium program: about 100 kB. Sorts the words of a text by frequency, with much of the library.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

static const char text[] = "the quick brown fox jumps over the lazy dog, and the dog does not mind";
static const char *const numbers[] = {"3.25", "-1e3", "0x1.8p1", "7", "1e-9", "12345.678"};

static std::vector<std::string> split(const char *p) {
    std::vector<std::string> words;
    std::string word;
    for (;; p++) {
        if (*p >= 'a' && *p <= 'z') {
            word += *p;
            continue;
        }
        if (!word.empty())
            words.push_back(word);
        word.clear();
        if (!*p)
            return words;
    }
}

template <class T> static T sum(std::deque<T> values) {
    std::sort(values.begin(), values.end(), std::greater<T>());
    std::multiset<T> ordered(values.begin(), values.end());
    std::vector<T> stable(ordered.rbegin(), ordered.rend());
    std::stable_sort(stable.begin(), stable.end());
    T total = 0;
    for (T value : stable)
        total += value;
    return total;
}

int main() {
    std::map<std::string, int> counts;
    std::unordered_map<std::string, std::vector<std::size_t>> places;
    const auto words = split(text);
    for (std::size_t i = 0; i < words.size(); i++) {
        counts[words[i]]++;
        places[words[i]].push_back(i);
    }
    std::vector<std::pair<std::string, int>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto &a, const auto &b) { return a.second > b.second; });
    for (const auto &[word, count] : sorted)
        std::printf("%s %d %.1f%% %zu\n", word.c_str(), count, 100.0 * count / words.size(),
                    places[word].back());
    std::deque<double> doubles;
    std::deque<float> floats;
    std::deque<long long> integers;
    for (const char *number : numbers) {
        doubles.push_back(std::strtod(number, nullptr));
        floats.push_back(std::stof(number));
        integers.push_back(std::strtoll(number, nullptr, 10));
    }
    std::printf("%g %g %lld %s\n", sum(doubles), sum(floats), sum(integers),
                std::to_string(sum(doubles)).c_str());
}
