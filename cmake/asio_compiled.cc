// The compiled part of Boost.Asio: its users see declarations only, and compile in a third of the time.
#include <boost/asio/impl/src.hpp>
